"""What several test files share: commands in processes of their own, environments, what a run left."""

import contextlib
import csv
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch

import vecac
from vecac.recording import checkpoint

ROOTS = (Path(vecac.__file__).parents[1], Path(__file__).parent)
TIMEOUT_SECONDS = 90
SMALL = {"hidden_sizes": (24,)}
"""Of networks that may be small: one size for all, as kernels are compiled for each, for ten seconds."""

NEW_RUN = {"wrapper": (), "settings": None, "resume": None}
"""What flags say of a run that takes its settings from nowhere else."""


class PictureEnv(gym.Env):
    """It shows pictures."""

    observation_space = gym.spaces.Box(0, 255, (3, 3, 3), np.uint8)
    action_space = gym.spaces.Discrete(2)


class TalkingEnv(gym.Env):
    """It shows text."""

    observation_space = gym.spaces.Text(5)
    action_space = gym.spaces.Discrete(2)


class ListingEnv(gym.Env):
    """It shows as many numbers as it likes."""

    observation_space = gym.spaces.Dict({"list": gym.spaces.Sequence(gym.spaces.Box(0, 1, (2,)))})
    action_space = gym.spaces.Discrete(2)


class RaisingEnv(gym.Env):
    """Raises at its third step."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 3:
            raise ZeroDivisionError("the cart\nleft the rails")
        return np.zeros(2, np.float32), 1.0, False, False, {}


class StuckEnv(RaisingEnv):
    """Its first step takes a minute."""

    def step(self, action):
        time.sleep(60)
        return np.zeros(2, np.float32), 1.0, False, False, {}


for env_class in (PictureEnv, TalkingEnv, ListingEnv, RaisingEnv, StuckEnv):
    gym.register(env_class.__name__.replace("Env", "-v0"), env_class)


def start(*arguments, stderr, seconds=TIMEOUT_SECONDS):
    """Start python with arguments, as the leader of a process group of its own; stdout is a pipe.

    It is killed if it is still there after so many seconds.
    """
    inherited = os.environ.get("PYTHONPATH", "")
    path = os.pathsep.join([*map(str, ROOTS), *filter(None, [inherited])])
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,
    )
    watchdog = threading.Timer(seconds, lambda: kill_group(process.pid))
    watchdog.daemon = True
    watchdog.start()
    return process


def run(*arguments, seconds=TIMEOUT_SECONDS):
    """Run python to its end: (exit code, stdout, stderr)."""
    process = start(*arguments, stderr=subprocess.PIPE, seconds=seconds)
    stdout, stderr = process.communicate()
    return process.returncode, stdout, stderr


def wait_until(holds, seconds=60.0):
    """Poll until holds() is true; returns whether it became true in time."""
    deadline = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return held


def group_members(group):
    """The living processes of a process group, from /proc: {pid: command}."""
    members = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                members[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it ended meanwhile
            continue
    return members


def kill_group(group):
    """Kill a process group, if it still exists."""
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":  # without groups
            os.kill(group, signal.SIGTERM)
        else:
            os.killpg(group, signal.SIGKILL)


def edit(path, old, new):
    """Replace the one place where a file says `old`."""
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def read_csv(folder):
    """The rows of a run folder's progress.csv."""
    with open(folder / "progress.csv", newline="") as file:
        return list(csv.DictReader(file))


def read_scalars(folder):
    """{tag: [(step, value)]} of the event files in a folder."""
    # Here, since processes that only want an environment of this module need not wait for it.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def assert_raises_soon(kind, function, *args):
    """The error, within a minute, rather than hang; in a thread, as nothing else ends a wait in a kernel."""
    caught = []

    def call():
        try:
            function(*args)
        except kind as error:
            caught.append(error)

    caller = threading.Thread(target=call, daemon=True)
    caller.start()
    caller.join(timeout=60)
    assert caught, f"no {kind.__name__} came"
    return caught[0]


def explained(code, stdout, stderr):
    """The one line of an error that vecac explains."""
    assert code == 2
    assert stdout == ""
    assert "Traceback" not in stderr
    (line,) = stderr.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def contents(folder):
    """Every path below, with the bytes of files."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def saved(engine, tmp_path):
    """The engine's state, once to disk and back."""
    checkpoint.save(tmp_path / "state.pt", {"config": {}, **engine.state_dict()})
    return checkpoint.load(tmp_path / "state.pt")


def bits(value):
    """A state_dict with every tensor and array as its bytes, so that == compares bit by bit."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return (str(value.dtype), tuple(value.shape), np.asarray(value).tobytes())
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    return [bits(item) for item in value] if isinstance(value, list | tuple) else value
