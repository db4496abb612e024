"""What can be wrong with a run folder: exit code 2, one line that names it, and nothing changed."""

import json
import shutil

import pytest
import torch
from support import contents, explained

import vecac.evaluate
import vecac.train
from vecac.config import Config
from vecac.recording import checkpoint
from vecac.runs.saved_policy import load_policy

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder with a latest checkpoint and, after fewer than 100 episodes, no best one."""
    config = Config(
        num_envs=1, total_timesteps=50, eval_episodes=0, quiet=True, log_dir=str(tmp_path_factory.mktemp("t"))
    )
    return vecac.train.train(config).run_dir


@pytest.fixture
def run_dir(trained, tmp_path):
    """A copy to damage."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def not_evaluated(tmp_path, capsys):
    """Evaluate what cannot be evaluated: the message, after checks that nothing has changed."""

    def not_evaluated(*arguments):
        before = contents(tmp_path)
        code = vecac.evaluate.main([str(argument) for argument in arguments])
        message = explained(code, *capsys.readouterr())
        assert contents(tmp_path) == before
        return message

    return not_evaluated


def test_the_copy_is_sound_before_it_is_damaged(run_dir):
    assert vecac.evaluate.main([str(run_dir), "--episodes", "1"]) == 0


@pytest.mark.parametrize(
    ("flag", "value", "wanted"),
    [("--episodes", "0", "1 or more"), ("--episodes", "-5", "1 or more"), ("--seed", "-1", "0 or more")],
)
def test_an_evaluate_flag_out_of_its_range(not_evaluated, run_dir, flag, value, wanted):
    assert not_evaluated(run_dir, flag, value) == f"{flag} must be {wanted}, not {value}"


@pytest.mark.parametrize("arguments", [[], ["x", "--episodes", "few"]])
def test_evaluate_keeps_tyros_messages(capsys, arguments):
    with pytest.raises(SystemExit) as ending:
        vecac.evaluate.main(arguments)
    assert ending.value.code == 2
    stdout, stderr = capsys.readouterr()
    assert (stdout, "Traceback" in stderr) == ("", False)
    assert "--help" in stderr


def test_a_run_folder_that_is_none(not_evaluated, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("missing", "empty"):
        folder = tmp_path / name
        message = not_evaluated(folder)
        assert message.startswith(f"{folder} is not a run folder (")
        assert message.endswith("name one that vecac.train printed")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '["env_id"]', "null", "\0", b"\xff\xfe"])
def test_a_damaged_config(not_evaluated, run_dir, text):
    (run_dir / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert not_evaluated(run_dir).startswith(f"{run_dir / 'config.json'} is damaged: ")


def test_no_best_checkpoint_yet(not_evaluated, run_dir):
    message = not_evaluated(run_dir, "--checkpoint", "best")
    assert message.startswith(f"{run_dir} has no best checkpoint yet: ")
    assert message.endswith("use --checkpoint latest")


def test_no_checkpoint_at_all(not_evaluated, run_dir):
    path = run_dir / "checkpoints" / "latest.pt"
    path.unlink()
    for name in ("latest", "best"):
        message = not_evaluated(run_dir, "--checkpoint", name)
        assert message.startswith(f"checkpoint {path.with_name(name + '.pt')} cannot be read: ")


def test_a_checkpoint_that_there_is_none_of(not_evaluated, run_dir):
    latest = (run_dir / "checkpoints" / "latest.pt").read_bytes()
    for env_steps in (2000, 1000):
        (run_dir / "checkpoints" / f"{env_steps}.pt").write_bytes(latest)
    for name in ("newest", "1500", "../config.json"):
        expected = f"{run_dir} has no checkpoint {name}: use latest, 1000, 2000"
        assert not_evaluated(run_dir, "--checkpoint", name) == expected


def test_a_file_that_is_no_checkpoint(not_evaluated, run_dir):
    path = run_dir / "config.json"
    assert not_evaluated(path).startswith(f"checkpoint {path} is damaged, cut short or not one of vecac's")
    message = not_evaluated(path, "--checkpoint", "best")
    assert message == f"{path} is a checkpoint already: leave --checkpoint best out"


def flip_a_bit(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [flip_a_bit, lambda data: data[:-100], lambda data: b""])
def test_a_damaged_checkpoint(not_evaluated, run_dir, damage):
    path = run_dir / "checkpoints" / "latest.pt"
    path.write_bytes(damage(path.read_bytes()))
    message = not_evaluated(run_dir)
    assert message.startswith(f"checkpoint {path} is damaged, cut short or not one of vecac's")
    assert message.endswith("use another checkpoint of the run, or train again")


def rewrite(run_dir, **changes):
    """Put other content, with a sound checksum, into the latest checkpoint; returns its path."""
    path = run_dir / "checkpoints" / "latest.pt"
    checkpoint.save(path, checkpoint.load(path) | changes)
    return path


def test_a_checkpoint_of_another_environment(not_evaluated, run_dir):
    path = rewrite(run_dir, config=Config(env_id="Acrobot-v1").to_dict())
    assert not_evaluated(run_dir) == (
        f"checkpoint {path} is of Acrobot-v1, but the run folder's config.json names CartPole-v1: "
        "put the run's own checkpoint back"
    )


def test_a_checkpoint_of_the_environment_as_it_once_was(not_evaluated, run_dir):
    saved = load_policy(run_dir, "latest")
    network, content = saved.network, saved.content
    weights = network.state_dict() | {"fc1.weight": torch.zeros(256, 6)}
    rewrite(run_dir, network=weights, network_spec=content["network_spec"] | {"obs_size": 6})
    message = not_evaluated(run_dir)
    assert message.startswith("checkpoint of CartPole-v1 has 6 numbers an observation and discrete ")
    assert "the environment now has 4 and discrete actions of 2: use the environment" in message


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {"num_envs": 0}},
        {"config": {"setting_of_the_future": 1}},
        {"config": 5},
        {"network": {}},
        {"network": {"fc1.weight": 5}},
        {"network": None},
        {"network": {"fc1.weight": torch.zeros(8, 4), "fc_pi.weight": torch.zeros(2, 9)}},
    ],
)
def test_a_checkpoint_whose_content_does_not_fit(not_evaluated, run_dir, changes):
    path = rewrite(run_dir, **changes)
    assert not_evaluated(run_dir).startswith(f"checkpoint {path} does not fit this vecac: ")


@pytest.mark.parametrize(
    "changes",
    [
        {"clip_obs": "x", "norm_obs": True},
        {"hidden_sizes": (10**6,)},
        {"hidden_sizes": 8},
        {"activation": "gelu"},
        {"obs_size": "4"},
        {"action": {"kind": "no", "sizes": (2,)}},
        {"action": {"kind": "discrete"}},
    ],
)
def test_a_network_that_cannot_be_built(not_evaluated, run_dir, changes):
    content = load_policy(run_dir, "latest").content
    path = rewrite(run_dir, network_spec=content["network_spec"] | changes)
    assert not_evaluated(run_dir).startswith(f"checkpoint {path} does not fit this vecac: ")


def test_an_environment_that_is_no_longer_there(not_evaluated, run_dir):
    settings = Config(env_id="Vanished-v0").to_dict()
    rewrite(run_dir, config=settings)
    (run_dir / "config.json").write_text(json.dumps(settings))
    assert not_evaluated(run_dir).startswith("--env-id Vanished-v0")
