"""A training process killed at any moment, then resumed, ends as if nothing had happened, bit for bit."""

import json
import os
import random
import signal
import subprocess
import time

import numpy as np
import pytest
import torch
from support import kill_group, read_csv, read_scalars, run, start, wait_until

from vecac.recording import checkpoint

pytestmark = pytest.mark.linux  # SIGKILL, to a process group

COMMON = ("--checkpoint-interval", "0.05", "--learning-rate", "1e-3", "--eval-episodes", "8")
CASES = {
    "sync": ("--engine", "sync", "--total-timesteps", "60000"),
    "sync-torch": ("--learner", "torch", "--total-timesteps", "20000", "--autoreset-mode", "same-step"),
    "async": ("--engine", "async", "--num-envs", "2", "--total-timesteps", "6000"),
    "vector": ("--engine", "vector", "--total-timesteps", "100000", "--anneal-lr"),
    "vector-torch": ("--engine", "vector", "--learner", "torch", "--total-timesteps", "20000"),
    "fused": ("--engine", "fused", "--total-timesteps", "3000000"),
    "fused-normalised": (
        *("--env-id", "Pendulum-v1", "--norm-obs", "--norm-reward", "--normalize-advantage"),
        *("--engine", "fused", "--gae-lambda", "0.9", "--hidden-sizes", "16", "16"),
        *("--total-timesteps", "1000000"),
    ),
    "gaussian": (
        *("--env-id", "Pendulum-v1", "--norm-obs", "--norm-reward", "--normalize-advantage"),
        *("--hidden-sizes", "16", "16", "--optimizer", "rmsprop", "--total-timesteps", "30000"),
    ),
    "evaluated": (
        *("--eval-interval", "3000", "--checkpoint-every", "2500", "--keep", "3", "--engine", "sync"),
        *("--total-timesteps", "30000"),
    ),
    "mujoco": (
        *("--env-id", "Hopper-v5", "--norm-obs", "--norm-reward", "--separate-critic", "--num-envs", "4"),
        *("--hidden-sizes", "16", "--gae-lambda", "0.9", "--total-timesteps", "8000"),
    ),
}
TIMES = ("time/fps", "time/time_elapsed", "time/collect_fraction", "time/learn_fraction")
KILLS = 80
SAMPLE = (0, 5, 8)


def without_times(tree):
    """The numbers of a checkpoint that do not depend on the clock, with every tensor as its bytes."""
    if isinstance(tree, dict):
        left_out = ("clock", "solved", "events", "events_size", "log_dir")
        return {key: without_times(item) for key, item in tree.items() if key not in left_out}
    if isinstance(tree, list | tuple):
        return [without_times(item) for item in tree]
    if isinstance(tree, torch.Tensor):
        return (str(tree.dtype), tuple(tree.shape), tree.numpy().tobytes())
    return tree


def outcome(run_dir):
    """All that a run leaves but its times."""
    result = json.loads((run_dir / "result.json").read_text())
    for name in ("seconds", "env_steps_per_s", "solved_at_seconds"):
        del result[name]
    scalars = read_scalars(run_dir)
    return {
        "result": result,
        "rows": [{tag: row[tag] for tag in row if tag not in TIMES} for row in read_csv(run_dir)],
        "scalars": {tag: points for tag, points in scalars.items() if tag not in TIMES},
        "steps": {tag: [step for step, _ in points] for tag, points in scalars.items()},
        "event files": len(list(run_dir.glob("events.*"))),
        **{
            name: without_times(checkpoint.load(run_dir / "checkpoints" / f"{name}.pt"))
            for name in sorted(path.stem for path in (run_dir / "checkpoints").glob("*.pt"))
        },
    }


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The outcome and the seconds of a case's run from beginning to end, made once."""
    outcomes = {}

    def uninterrupted(case):
        if case not in outcomes:
            logs = tmp_path_factory.mktemp(case)
            code, _, stderr = run("-m", "vecac.train", *COMMON, *CASES[case], "--log-dir", logs)
            assert (code, stderr) == (0, "")
            (run_dir,) = logs.iterdir()
            seconds = json.loads((run_dir / "result.json").read_text())["seconds"]
            outcomes[case] = outcome(run_dir), seconds
        return outcomes[case]

    return uninterrupted


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    """Of kernels: one for each series of cases, empty when it begins."""
    return tmp_path_factory.mktemp("caches")


def kill(arguments, logs, rng, seconds):
    """Start a run and kill it, some time after its folder appeared or in a checkpoint's write.

    Returns:
        Whether it was killed, rather than having ended before.
    """
    process = start("-m", "vecac.train", *arguments, stderr=subprocess.PIPE)
    try:
        assert wait_until(lambda: [*logs.glob("[!.]*")] or process.poll() is not None, 240)
        before = {path: path.stat().st_mtime_ns for path in logs.glob("*/progress.csv")}
        # It has begun, or gone on, once the log has been touched.
        wait_until(lambda: {p: p.stat().st_mtime_ns for p in logs.glob("*/progress.csv")} != before, 10)
        time.sleep(rng.random() * seconds)
        if rng.random() < 0.5:
            while process.poll() is None and not list(logs.glob("*/checkpoints/*.tmp")):
                pass
        was_running = process.poll() is None
        os.killpg(process.pid, signal.SIGKILL) if was_running else None
        process.communicate(timeout=60)
        return was_running
    finally:
        kill_group(process.pid)


@pytest.mark.parametrize(
    "seed",
    [pytest.param(seed, marks=() if seed in SAMPLE else pytest.mark.slow) for seed in range(KILLS)],
    ids=lambda seed: f"{seed}-{list(CASES)[seed % len(CASES)]}",
)
def test_a_killed_run_that_is_resumed_ends_bit_for_bit_alike(
    seed, uninterrupted, caches, tmp_path, monkeypatch
):
    case = list(CASES)[seed % len(CASES)]
    if case == "mujoco":
        pytest.importorskip("mujoco")
    expected, seconds = uninterrupted(case)
    # The process that is killed compiles its kernels, or some of them, the one that goes on loads them.
    monkeypatch.setenv("XDG_CACHE_HOME", str(caches / str(seed // len(CASES))))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    rng = random.Random(seed)
    logs = tmp_path / "logs"
    logs.mkdir()
    arguments = (*COMMON, *CASES[case], "--log-dir", logs)
    for _ in range(1 + seed // len(CASES) % 3):  # once, twice or three times
        was_killed = kill(arguments, logs, rng, seconds)
        (run_dir,) = logs.glob("[!.]*")
        if not was_killed:
            break
        assert checkpoint.load(run_dir / "checkpoints" / "latest.pt")["env_steps"] >= 0
        arguments = ("--resume", run_dir)
    code, _, stderr = run("-m", "vecac.train", "--resume", run_dir)
    assert (code, stderr) == (0, "")
    actual = outcome(run_dir)
    for name, value in expected.items():
        assert actual[name] == value, f"{name} differs"
    assert np.all(np.diff([int(row["time/total_timesteps"]) for row in actual["rows"]]) > 0)
