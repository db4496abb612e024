import pytest

from vecac.config import Config
from vecac.errors import UsageError
from vecac.runs.saved_policy import find_checkpoint, load_policy
from vecac.train import train


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    config = Config(total_timesteps=4000, num_envs=8, eval_episodes=0, quiet=True, log_interval=1000)
    folder = str(tmp_path_factory.mktemp("logs"))
    run_dir = train(Config(**{**config.to_dict(), "log_dir": folder})).run_dir
    (run_dir / "checkpoints" / "1200.pt").write_bytes((run_dir / "checkpoints" / "best.pt").read_bytes())
    return run_dir


@pytest.mark.parametrize(
    ("name", "file"),
    [
        (None, "best"),
        ("best", "best"),
        ("latest", "latest"),
        ("latest.pt", "latest"),
        (1200, "1200"),
        ("1200", "1200"),
        ("1200.pt", "1200"),
    ],
)
def test_a_checkpoint_by_its_name(run_dir, name, file):
    path = run_dir / "checkpoints" / f"{file}.pt"
    assert find_checkpoint(run_dir, name) == path
    saved = load_policy(run_dir, name)
    assert (saved.path, saved.name) == (path, file)
    assert saved.config.num_envs == 8


def test_one_that_there_is_not(run_dir):
    with pytest.raises(UsageError, match=r"has no checkpoint 1300: use best, latest, 1200$"):
        find_checkpoint(run_dir, 1300)


def test_latest_is_played_where_there_is_no_best(tmp_path):
    settings = {"total_timesteps": 160, "eval_episodes": 0, "log_dir": str(tmp_path), "quiet": True}
    run_dir = train(Config(**settings)).run_dir
    assert find_checkpoint(run_dir).name == "latest.pt"


@pytest.mark.parametrize("name", ["../checkpoints/best", "n" * 300, "../config.json", ""])
def test_a_name_is_no_path(run_dir, name):
    with pytest.raises(UsageError, match=r"has no checkpoint .*: use best, latest, 1200$"):
        find_checkpoint(run_dir, name)


def test_a_path_that_is_too_long(tmp_path):
    with pytest.raises(UsageError, match="File name too long; name a run folder"):
        find_checkpoint(tmp_path / ("n" * 300))
