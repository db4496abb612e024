import json
import math
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import pytest

import vecac
from vecac.config import Config
from vecac.errors import UsageError
from vecac.runs import run_folder
from vecac.runs.run_folder import Result, create_run_folder, describe_run, read_config, write_json


@pytest.fixture(autouse=True)
def frozen_time(monkeypatch):
    class Frozen:
        @staticmethod
        def now():
            return datetime(2024, 1, 2, 3, 4, 5)

    monkeypatch.setattr(run_folder, "datetime", Frozen)


def create(tmp_path, **settings):
    return create_run_folder(Config(log_dir=str(tmp_path / "logs"), **settings), lambda folder: None)


def test_the_name_is_environment_run_name_seed_and_time(tmp_path):
    path = create(tmp_path, env_id="Acrobot-v1", run_name="try.2_b", seed=7)
    assert path == tmp_path / "logs" / "Acrobot-v1__try.2_b__7__20240102-030405"
    assert [entry.name for entry in path.iterdir()] == ["checkpoints"]
    assert (path / "checkpoints").is_dir()


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"env_id": "module.sub:Id-v0"}, "module.sub-Id-v0__vecac__1"),
        ({"env_id": "ALE/Pong-v5"}, "ALE-Pong-v5__vecac__1"),
        ({"run_name": "a b/c\\d:e*f?g"}, "CartPole-v1__a-b-c-d-e-f-g__1"),
        ({"run_name": "größe\n\t"}, "CartPole-v1__gr--e--__1"),
        ({"run_name": "../../x"}, "CartPole-v1__..-..-x__1"),
        ({"run_name": "/etc"}, "CartPole-v1__-etc__1"),
        ({"env_id": "../..", "run_name": ".."}, "..-..__..__1"),
        ({"run_name": "a\0b"}, "CartPole-v1__a-b__1"),
    ],
)
def test_odd_characters_become_hyphens_and_cannot_leave_the_log_folder(tmp_path, settings, name):
    path = create(tmp_path, **settings)
    assert path.name == f"{name}__20240102-030405"
    assert path.resolve().parent == (tmp_path / "logs").resolve()
    assert [entry.name for entry in tmp_path.iterdir()] == ["logs"]


def test_a_taken_name_gets_a_suffix(tmp_path):
    paths = [create(tmp_path) for _ in range(3)]
    name = "CartPole-v1__vecac__1__20240102-030405"
    assert [path.name for path in paths] == [name, f"{name}-2", f"{name}-3"]
    assert create(tmp_path, seed=2).name == "CartPole-v1__vecac__2__20240102-030405"


def test_runs_that_start_at_once_share_no_folder(tmp_path):
    """Each finds in its folder what it put there, and nothing of the others is left over."""

    def start(number):
        fill = lambda folder: (folder / "mine").write_text(str(number))  # noqa: E731
        return create_run_folder(Config(log_dir=str(tmp_path / "logs")), fill)

    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(start, range(80)))
    assert len(set(paths)) == 80
    assert [(path / "mine").read_text() for path in paths] == [str(number) for number in range(80)]
    assert set((tmp_path / "logs").iterdir()) == set(paths)


def test_a_file_can_take_the_name_too(tmp_path):
    name = "CartPole-v1__vecac__1__20240102-030405"
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / name).write_text("in the way")
    assert create(tmp_path).name == f"{name}-2"


def test_the_log_folder_is_made_with_its_parents(tmp_path):
    path = create_run_folder(Config(log_dir=str(tmp_path / "a" / "b" / "c")), lambda folder: None)
    assert path.parent == tmp_path / "a" / "b" / "c"


@pytest.mark.parametrize("log_dir", ["file", "file/below", "dangling"])
def test_a_log_folder_that_cannot_be_made_is_refused_by_flag(tmp_path, log_dir):
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "file" / "nothing")
    with pytest.raises(UsageError, match=r"^--log-dir .* cannot be written to: .*; name a folder that can$"):
        create_run_folder(Config(log_dir=str(tmp_path / log_dir)), lambda folder: None)


def test_the_folder_appears_with_all_that_it_begins_with(tmp_path):
    def fill(folder):
        assert not list((tmp_path / "logs").glob("CartPole*"))
        (folder / "config.json").write_text("{}")
        (folder / "checkpoints" / "latest.pt").write_text("step 0")

    path = create_run_folder(Config(log_dir=str(tmp_path / "logs")), fill)
    assert {str(file.relative_to(path)) for file in path.rglob("*")} == {
        "config.json",
        "checkpoints",
        "checkpoints/latest.pt",
    }
    assert list((tmp_path / "logs").iterdir()) == [path]


@pytest.mark.parametrize(
    ("raised", "expected", "said"),
    [
        (OSError(28, "No space left on device"), UsageError, "^--log-dir .*: No space left on device; "),
        (KeyboardInterrupt("now"), KeyboardInterrupt, "^now$"),
    ],
)
def test_a_folder_that_cannot_be_filled_is_not_left_behind(tmp_path, raised, expected, said):
    def fill(folder):
        (folder / "config.json").write_text("{}")
        raise raised

    with pytest.raises(expected, match=said):
        create_run_folder(Config(log_dir=str(tmp_path)), fill)
    assert list(tmp_path.iterdir()) == []


def test_config_json(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train.py", "--num-envs", "3"])
    config = Config(num_envs=3, total_timesteps=4000, device="cuda", target_return=200.0, num_threads=2)
    path = create(tmp_path)
    write_json(path / "config.json", describe_run(config, "cpu"))
    saved = json.loads((path / "config.json").read_text())
    beside = {"device_requested", "versions", "git_commit", "command_line"}
    assert {name: saved[name] for name in saved if name not in beside} == config.to_dict() | {"device": "cpu"}
    assert saved["device_requested"] == "cuda"
    assert saved["versions"] == {
        "vecac": vecac.__version__,
        "python": platform.python_version(),
        "torch": version("torch"),
        "gymnasium": version("gymnasium"),
        "numpy": version("numpy"),
        "tensorboard": version("tensorboard"),
        "numba": version("numba"),
    }
    assert saved["git_commit"] == run_folder.git_commit()
    assert saved["command_line"] == ["train.py", "--num-envs", "3"]
    assert read_config(path) == saved


def test_git_commit_is_the_checkouts():
    command = ["git", "-C", str(Path(vecac.__file__).parent), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    expected = {done.stdout.strip(), done.stdout.strip() + "-dirty"} if done.returncode == 0 else {None}
    assert run_folder.git_commit() in expected


def test_git_commit_outside_a_checkout_and_without_git(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("vecac.runs.run_folder.__file__", str(tmp_path / "vecac" / "runs" / "run_folder.py"))
        assert run_folder.git_commit() is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_folder.git_commit() is None


def test_write_json_puts_null_for_what_json_does_not_know(tmp_path):
    path = tmp_path / "result.json"
    write_json(path, {"a": math.nan, "b": math.inf, "c": -math.inf, "d": None, "e": 0.1, "f": "ü"})
    expected = {"a": None, "b": None, "c": None, "d": None, "e": 0.1, "f": "ü"}
    assert json.loads(path.read_text(encoding="utf-8")) == expected
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.replace"])
def test_write_json_leaves_the_old_file_if_it_fails(tmp_path, monkeypatch, broken):
    path = tmp_path / "result.json"
    write_json(path, {"a": 1})

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(broken, fail)
        with pytest.raises(OSError, match="No space left"):
            write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}


def test_the_result_has_exactly_the_documented_fields():
    values = {field.name: index for index, field in enumerate(fields(Result))}
    content = Result(**values).to_dict()
    assert list(content) == [
        "env_id", "env_steps", "updates", "episodes", "seconds", "env_steps_per_s", "last_100_return_mean",
        "solved_at_env_steps", "solved_at_seconds", "best_env_steps", "best_return_mean", "eval_return_mean",
        "eval_return_std", "eval_sampled_return_mean", "eval_sampled_return_std", "eval_best_return_mean",
        "eval_best_return_std", "eval_best_sampled_return_mean", "eval_best_sampled_return_std",
        "eval_episodes", "eval_cut_episodes", "stop_reason", "error", "engine", "learner", "device",
        "device_requested", "seed",
    ]  # fmt: skip
    assert content == {name: values[name] for name in content}
    assert set(values) - set(content) == {"run_dir"}


def test_a_notebook_shows_what_a_result_holds():
    nothing = dict.fromkeys(field.name for field in fields(Result))
    result = Result(**nothing | {"run_dir": Path("a<b"), "env_steps": 1000080, "env_steps_per_s": 97256.123})
    assert result._repr_html_() == (
        "<table><tr><th>run_dir</th><td>a&lt;b</td></tr><tr><th>env_steps</th><td>1000080</td></tr>"
        "<tr><th>env_steps_per_s</th><td>97256.1</td></tr></table>"
    )
