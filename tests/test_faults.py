"""Faults of worker processes, from the user's side: one line, a whole run folder, nobody left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import product

import pytest
from support import group_members, kill_group, start, wait_until

from vecac.recording import checkpoint

if sys.platform != "linux":
    pytest.skip("SIGKILL and SIGSTOP to workers, which it counts in /proc", allow_module_level=True)

STEP_TIMEOUT = 2.0
START_SECONDS = 20.0  # importing torch, starting workers, on a busy machine

FAULTS = {
    "raise_two": "environment {} raised TwoArgumentsError: one and two",
    "exit": "environment {} raised SystemExit: 3",
    "die": "the worker process of environment {} ended with exit code 3",
    "kill": "the worker process of environment {} was killed by signal 9",
    "stop": "environment {} has not answered for 2 s (--step-timeout): its worker process is stopped",
    "hang": "environment {} has not answered for 2 s (--step-timeout): its worker process is still busy",
    "nan": "environment {} returned the observation [0.0, nan]",
    "infinite_reward": "environment {} returned the reward inf",
    "short": "environment {} returned an observation of shape (1,)",
}
FLAGS = (
    *("--env-id", "scripted_environments:Sabotaged-v0", "--engine", "async", "--learner", "torch"),
    *("--num-envs", "3", "--n-rollout", "4", "--step-timeout", str(STEP_TIMEOUT), "--hidden-size", "8"),
)


@pytest.fixture
def training(tmp_path, monkeypatch):
    """Start a run whose environment is sabotaged; its processes are gone afterwards in any case."""
    groups = []

    def training(sabotage, *flags):
        monkeypatch.setenv("SABOTAGE", sabotage)
        process = start(*("-m", "vecac.train", *FLAGS, "--log-dir", tmp_path, *flags), stderr=subprocess.PIPE)
        groups.append(process.pid)
        return process

    yield training
    for group in groups:
        kill_group(group)


def the_run(tmp_path):
    (run_dir,) = (path for path in tmp_path.iterdir() if not path.name.startswith("."))
    return run_dir


def ends(process, tmp_path, message, update):
    """Check that the run ends as it should; returns its only line of error."""
    _, stderr = process.communicate(timeout=60)
    (line,) = stderr.splitlines()
    assert line.startswith("error: ") and message in line
    assert process.returncode == 1
    assert wait_until(lambda: not group_members(process.pid), seconds=3), group_members(process.pid)
    run_dir = the_run(tmp_path)
    result = json.loads((run_dir / "result.json").read_text())
    assert result["stop_reason"] == "failed"
    assert message in result["error"]
    saved = checkpoint.load(run_dir / "checkpoints" / "latest.pt")
    assert (saved["env_steps"], saved["updates"]) == (result["env_steps"], result["updates"])
    assert saved["updates"] == update
    return line


SAMPLE = [("raise_two", 0), ("kill", 0), ("stop", 2)]
REST = [case for case in product(FAULTS, (0, 2)) if case not in SAMPLE]


@pytest.mark.parametrize(
    ("fault", "index"), [*SAMPLE, *(pytest.param(*case, marks=pytest.mark.slow) for case in REST)]
)
def test_a_fault_in_a_step_is_one_line_that_names_it(fault, index, training, tmp_path):
    process = training(f"{index} {fault} 30", "--total-timesteps", "1000000")
    line = ends(process, tmp_path, FAULTS[fault].format(index), update=9)
    assert line.startswith("error: at step ")


@pytest.mark.parametrize(
    ("number", "method"),
    [
        (signal.SIGKILL, "fork"),
        (signal.SIGSTOP, "spawn"),
        *(
            pytest.param(number, method, marks=pytest.mark.slow)
            for number, method in [
                (signal.SIGKILL, "forkserver"),
                (signal.SIGKILL, "spawn"),
                (signal.SIGSTOP, "fork"),
                (signal.SIGSTOP, "forkserver"),
            ]
        ),
    ],
)
def test_a_worker_that_somebody_kills_or_stops(number, method, training, tmp_path, monkeypatch):
    workers = tmp_path / "workers"
    workers.mkdir()
    monkeypatch.setenv("WORKERS", str(workers))
    logs = tmp_path / "logs"
    flags = ("--total-timesteps", "1000000", "--start-method", method, "--log-dir", logs)
    process = training("1 none 0", *flags)
    assert wait_until(lambda: list(logs.glob("*/progress.csv")), START_SECONDS)
    os.kill(int((workers / "1").read_text()), number)
    before = time.monotonic()
    _, stderr = process.communicate(timeout=60)
    # The promise is two seconds; what a busy machine takes to end Python processes comes on top.
    seconds = time.monotonic() - before
    print(f"ended {seconds:.2f} s after the signal")
    assert seconds < STEP_TIMEOUT + 2.0 + 20.0
    (line,) = stderr.splitlines()
    cause = "was killed by signal 9" if number == signal.SIGKILL else "worker process is stopped"
    assert "environment 1 " in line and cause in line
    assert process.returncode == 1
    assert wait_until(lambda: not group_members(process.pid), seconds=3)
    assert json.loads((the_run(logs) / "result.json").read_text())["stop_reason"] == "failed"


def test_a_worker_that_prints_and_logs_disturbs_nothing(training, tmp_path):
    process = training("1 talk 3", "--total-timesteps", "200", "--eval-episodes", "4")
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert stdout.count("from a worker\n") > 20
    assert set(stderr.splitlines()) == {"also from a worker"}
    assert json.loads((the_run(tmp_path) / "result.json").read_text())["stop_reason"] == "finished"


def test_a_run_goes_on_after_a_fault_with_new_episodes(training, tmp_path):
    process = training("1 die 30", "--total-timesteps", "400", "--eval-episodes", "0")
    process.communicate(timeout=60)
    run_dir = the_run(tmp_path)
    assert process.returncode == 1
    process = training("0 none 0", "--resume", run_dir)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")
    result = json.loads((run_dir / "result.json").read_text())
    assert (result["stop_reason"], result["error"]) == ("finished", None)
    assert 400 <= result["env_steps"] < 412
