"""--init-from on the command line, where a flag that is typed is told from one that is left out."""

import pytest
from support import explained

from vecac.config import Config
from vecac.train import main, train


@pytest.fixture
def small(elsewhere):
    settings = {"total_timesteps": 100, "num_envs": 2, "eval_episodes": 0, "quiet": True}
    return str(train(Config(**settings, hidden_sizes=(24,), norm_obs=True, run_name="small")).run_dir)


COMMON = ("--total-timesteps", "100", "--num-envs", "2", "--eval-episodes", "0", "--quiet")


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--hidden-sizes", "256"], r"--hidden-sizes 256 is not what the network of --init-from "),
        (["--no-norm-obs"], r"--no-norm-obs is not what the network of --init-from "),
        (
            ["--settings", "Pendulum-v1", "--activation", "tanh"],
            "--activation tanh is not what",
        ),
    ],
)
def test_a_typed_default_is_no_flag_left_out(small, elsewhere, capsys, flags, named):
    before = sorted(elsewhere.glob("logs/*"))
    message = explained(main([*COMMON, "--init-from", small, *flags]), *capsys.readouterr())
    assert message.startswith(named)
    assert sorted(elsewhere.glob("logs/*")) == before


@pytest.mark.parametrize("flags", [[], ["--hidden-sizes", "24"], ["--norm-obs", "--learning-rate", "1e-3"]])
def test_what_is_left_out_or_the_same_is_taken(small, flags):
    assert main([*COMMON, "--init-from", small, *flags]) == 0
