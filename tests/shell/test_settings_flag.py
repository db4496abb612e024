"""--settings on the command line: what is typed wins, and what does not go together is refused."""

import pytest

import vecac.train
from vecac.config import Config
from vecac.runs.settings_files import read_settings

pytestmark = pytest.mark.usefixtures("elsewhere")


class Ended:
    stop_reason = "finished"


@pytest.fixture
def trained(monkeypatch):
    """The configs that the command line hands to train, which is not run."""
    seen = []
    monkeypatch.setattr(vecac.train, "train", lambda config, stop: seen.append(config) or Ended)
    return seen


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'env_id = "Acrobot-v1"\nhidden_sizes = [8, 9]\nnorm_obs = true\nwrapper = ["a:B"]\n'
        "env_kwargs = {gravity = 5.0}\nmax_grad_norm = 0.5\n"
    )
    return str(path)


FROM_FILE = {
    "env_id": "Acrobot-v1",
    "hidden_sizes": (8, 9),
    "norm_obs": True,
    "wrapper": ("a:B",),
    "env_kwargs": {"gravity": 5.0},
    "max_grad_norm": 0.5,
}


@pytest.mark.parametrize(
    ("typed", "otherwise"),
    [
        ("", {}),
        ("--seed 7", {"seed": 7}),
        ("--env-id CartPole-v1", {"env_id": "CartPole-v1"}),
        ("--hidden-sizes 16", {"hidden_sizes": (16,)}),
        ("--hidden-size 16 --gae-lambda 0.5", {"hidden_sizes": (16,), "td_lambda": 0.5}),
        ("--no-norm-obs", {"norm_obs": False}),
        ("--wrapper c:D --wrapper e:F", {"wrapper": ("c:D", "e:F")}),
        ("--env-kwargs", {"env_kwargs": {}}),
        ("--env-kwargs a=1", {"env_kwargs": {"a": 1}}),
        ("--max-grad-norm None", {"max_grad_norm": None}),
    ],
)
def test_what_is_typed_wins(trained, mine, typed, otherwise):
    assert vecac.train.main(["--settings", mine, *typed.split()]) == 0
    assert trained == [Config(**FROM_FILE | otherwise)]


def test_a_shipped_file_is_named_by_its_environment(trained):
    assert vecac.train.main(["--settings", "Pendulum-v1", "--seed", "3"]) == 0
    assert trained == [Config(**read_settings("Pendulum-v1"), seed=3)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--settings Nowhere-v0", "--settings Nowhere-v0 cannot be read"),
        ("--settings Pendulum-v1 --resume logs/run", "--settings does not go with --resume"),
        ("--settings Pendulum-v1 --engine fused --activation elu", "does not go with --engine fused"),
    ],
)
def test_what_is_wrong_is_one_line(trained, capsys, arguments, said):
    assert vecac.train.main(arguments.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert not trained
