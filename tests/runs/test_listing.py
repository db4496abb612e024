"""Which folders are runs, and what each of them is said to be."""

import json
import os
from pathlib import Path

import pytest
from run_folders import make_run
from support import contents, start

from vecac.config import Config
from vecac.errors import UsageError
from vecac.runs.folder_lock import locked
from vecac.runs.listing import RunEntry, describe, find_runs
from vecac.train import train

HOLD = "import sys, time; from pathlib import Path; from vecac.runs.folder_lock import locked\n" + (
    "with locked(Path(sys.argv[1])):\n print('locked', flush=True); time.sleep(60)"
)
ROWS = [{"x": 1000, "y": 20.5, "n": 99}, {"x": 2000, "y": 30.25, "n": 100}]
RESULT = {
    "env_steps": 5000,
    "last_100_return_mean": 480.5,
    "solved_at_env_steps": 4000,
    "eval_return_mean": 500.0,
    "eval_return_std": 1.5,
}


def test_runs_are_found_in_a_folder_and_one_below(tmp_path):
    for name in ("b", "a", "more/c", "more/further/d", ".new-x", ".new-y/run"):
        make_run(tmp_path, name)
    for name in ("empty", "study/settings", "a/checkpoints"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "README.md").write_text("no run")
    (tmp_path / "study/study.json").write_text("{}")
    assert [path.relative_to(tmp_path).as_posix() for path in find_runs(tmp_path)] == ["a", "b", "more/c"]
    assert find_runs(tmp_path / "a") == [tmp_path / "a"]
    assert find_runs(tmp_path / "empty") == []


def test_a_run_that_has_lost_its_settings_is_one(tmp_path):
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    assert find_runs(tmp_path) == []
    (tmp_path / "run/checkpoints/latest.pt").touch()
    assert find_runs(tmp_path) == [tmp_path / "run"]


@pytest.mark.parametrize("name", ["missing", "file"])
def test_there_must_be_a_folder(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"{name} is no folder that can be read"):
        find_runs(tmp_path / name)


def test_a_run_that_has_ended_is_as_its_result_says(tmp_path):
    path = make_run(
        tmp_path, "e__r__7__20261124-151914", ROWS, RESULT, env_id="Acrobot-v1", run_name="r", seed=7
    )
    assert describe(path) == RunEntry(
        run_dir=path,
        state="finished",
        started="2026-11-24T15:19:14",
        env_id="Acrobot-v1",
        run_name="r",
        seed=7,
        **RESULT,
    )
    assert json.loads(json.dumps(describe(path).to_dict()))["run_dir"] == str(path)


@pytest.mark.parametrize("reason", ["target_reached", "stopped", "interrupted", "failed"])
def test_how_a_run_ended(tmp_path, reason):
    entry = describe(make_run(tmp_path, "run", ROWS, {"stop_reason": reason, "error": "why"}))
    assert (entry.state, entry.error, entry.env_steps) == (reason, "why", None)


def test_a_run_is_running_while_its_process_lives_and_then_dead(tmp_path):
    path = make_run(tmp_path, "run", ROWS)
    process = start("-c", HOLD, path, stderr=None)
    assert process.stdout.readline() == "locked\n"
    before = contents(tmp_path)
    entry = describe(path)
    assert (entry.state, entry.env_steps, entry.last_100_return_mean) == ("running", 2000, 30.25)
    process.kill()
    process.communicate()
    entry = describe(path)
    assert (entry.state, entry.env_steps, entry.last_100_return_mean) == ("dead", 2000, 30.25)
    assert contents(tmp_path) == before


def test_a_run_that_goes_on_is_running_whatever_its_result_was(tmp_path):
    path = make_run(tmp_path, "run", ROWS, RESULT)
    with locked(path):
        entry = describe(path)
    assert (entry.state, entry.env_steps, entry.eval_return_mean) == ("running", 2000, None)


def test_a_mean_of_fewer_than_100_episodes_is_not_told(tmp_path):
    entry = describe(make_run(tmp_path, "run", ROWS[:1]))
    assert (entry.env_steps, entry.last_100_return_mean) == (1000, None)


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("x\ny\n")])
def test_a_run_without_rows_has_no_numbers(tmp_path, spoil):
    path = make_run(tmp_path, "run")
    assert (describe(path).state, describe(path).env_steps) == ("dead", None)
    spoil(path / "progress.csv")
    assert (describe(path).state, describe(path).env_steps) == ("dead", None)


@pytest.mark.parametrize(
    ("file", "content", "error"),
    [
        ("config.json", b"{", "config.json is damaged: it is not JSON"),
        ("config.json", b"\xff", "config.json is damaged: it is not JSON"),
        ("config.json", b"[" * 10_000, "config.json is damaged: it is not JSON"),
        ("config.json", b"[]", "config.json is damaged: it does not hold a run's settings"),
        ("config.json", b'{"env_id": 5}', "config.json is damaged: its env_id is 5"),
        ("config.json", b'{"env_id": "a", "seed": true}', "config.json is damaged: its seed is True"),
        ("result.json", b"", "result.json is damaged: it is not JSON"),
        ("result.json", b"{}", "result.json is damaged: it does not hold a run's result"),
        ("result.json", b'{"stop_reason": null}', "result.json is damaged: its stop_reason is None"),
        ("result.json", b'{"stop_reason": ["a"]}', "result.json is damaged: its stop_reason is ['a']"),
        ("result.json", b'{"stop_reason": "dead"}', "result.json is damaged: its stop_reason is 'dead'"),
        (
            "result.json",
            b'{"stop_reason": "failed", "env_steps": "x"}',
            "result.json is damaged: its env_steps is 'x'",
        ),
        ("result.json", b'{"stop_reason": "failed", "env_steps": NaN}', "result.json is damaged: it is not"),
    ],
)
def test_what_is_damaged_is_said(tmp_path, file, content, error):
    path = make_run(tmp_path, "e__r__7__20261124-151914", ROWS, RESULT, seed=7)
    (path / file).write_bytes(content)
    entry = describe(path)
    assert (entry.state, entry.started) == ("damaged", "2026-11-24T15:19:14")
    assert error in entry.error
    assert entry.seed == (None if file == "config.json" else 7)


def test_a_folder_that_has_gone_meanwhile_is_damaged(tmp_path):
    entry = describe(tmp_path / "gone")
    assert (entry.state, entry.error) == ("damaged", "it cannot be opened: No such file or directory")


@pytest.mark.parametrize(
    ("name", "started"),
    [
        ("e__r__1__20261124-151914-2", "2026-11-24T15:19:14"),
        ("renamed", "2001-02-03T04:05:06"),
        ("e__r__1__20269924-151914", None),
    ],
)
def test_when_a_run_was_started(tmp_path, name, started):
    path = make_run(tmp_path, name)
    when = __import__("datetime").datetime(2001, 2, 3, 4, 5, 6).timestamp()
    os.utime(path, (when, when))
    assert describe(path).started == started


def test_a_run_that_vecac_trained(tmp_path):
    config = Config(
        num_envs=1, total_timesteps=50, eval_episodes=2, quiet=True, log_dir=str(tmp_path), run_name="mine"
    )
    result = train(config)
    (path,) = find_runs(tmp_path)
    entry = describe(path)
    assert (path, entry.state, entry.run_name) == (Path(result.run_dir), "finished", "mine")
    assert (entry.env_steps, entry.eval_return_mean) == (result.env_steps, result.eval_return_mean)
