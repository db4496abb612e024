"""Ctrl-C and SIGTERM, sent to runs in processes of their own."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from support import group_members, kill_group, start, wait_until

from vecac.recording import checkpoint

pytestmark = pytest.mark.linux  # signals to a process group, whose processes it counts in /proc

ENDED_WITHIN = 6.0
"""Two seconds are what a run may take; the rest is for a machine that is busy with something else."""

FOREVER = ["--total-timesteps", 10**12, "--log-interval", 1000]
BRIEFLY = ["--total-timesteps", 100, "--eval-episodes", 10**7]


class Training:
    """A run that has said where its folder is."""

    def __init__(self, tmp_path, *flags):
        self._stderr = tmp_path / "stderr"
        with open(self._stderr, "w") as stderr:
            self._process = start("-m", "vecac.train", "--log-dir", tmp_path / "logs", *flags, stderr=stderr)
        self.dir = None
        for line in self._process.stdout:
            if line.startswith("run folder: "):
                self.dir = Path(line.removeprefix("run folder: ").strip())
                break
        assert self.dir is not None, self._stderr.read_text()

    def send(self, number, to_group=False):
        """SIGTERM goes to the run, SIGINT to the whole process group, as a terminal does it."""
        self._sent_at = time.monotonic()
        if to_group or number == signal.SIGINT:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)

    def ends(self, number):
        """Check how the signal ended the run; returns its result."""
        stdout = self.ends_in_time(128 + number)
        assert [line for line in stdout.splitlines() if line.startswith("interrupted: ")]
        assert stdout.splitlines()[-2] == f"go on with it: python -m vecac.train --resume {self.dir}"
        result = json.loads((self.dir / "result.json").read_text())
        assert result["stop_reason"] == "interrupted"
        assert result["eval_return_mean"] is None
        saved = checkpoint.load(self.dir / "checkpoints" / "latest.pt")
        assert (saved["env_steps"], saved["updates"]) == (result["env_steps"], result["updates"])
        return result

    def ends_in_time(self, code):
        """Check that it ends with this exit code and leaves nobody behind; returns what it printed."""
        stdout = self._process.communicate(timeout=60)[0]
        seconds = time.monotonic() - self._sent_at
        print(f"ended {seconds:.2f} s after the signal")
        assert self._stderr.read_text() == ""
        assert self._process.returncode == code
        # The helpers of multiprocessing follow their master a moment later.
        assert wait_until(lambda: not self.alive(), seconds=3), self.alive()
        assert seconds < ENDED_WITHIN
        return stdout

    def alive(self):
        return group_members(self._process.pid)

    def kill(self):
        kill_group(self._process.pid)
        self._process.communicate()


@pytest.fixture
def training(tmp_path):
    started = []

    def training(*flags):
        started.append(Training(tmp_path, *flags))
        return started[-1]

    yield training
    for run in started:
        run.kill()


BACKENDS = {
    "sync": ["--num-envs", 4],
    "fork": ["--num-envs", 4, "--engine", "async", "--start-method", "fork"],
    "spawn": ["--num-envs", 2, "--engine", "async", "--start-method", "spawn"],
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_ctrl_c_as_soon_as_the_run_has_named_its_folder(training, backend):
    run = training(*FOREVER, *BACKENDS[backend])
    run.send(signal.SIGINT)
    assert run.ends(signal.SIGINT)["stop_reason"] == "interrupted"


@pytest.mark.parametrize("backend", BACKENDS)
def test_sigterm_in_the_middle_of_training(training, backend):
    run = training(*FOREVER, *BACKENDS[backend])
    assert len(run.alive()) >= (1 if backend == "sync" else 3)
    assert wait_until(lambda: (log := run.dir / "progress.csv").exists() and log.read_text().count("\n") > 2)
    run.send(signal.SIGTERM)
    assert run.ends(signal.SIGTERM)["env_steps"] >= 2000


def test_sigterm_to_the_whole_group_as_service_managers_send_it(training):
    run = training(*FOREVER, *BACKENDS["fork"])
    assert wait_until(lambda: (log := run.dir / "progress.csv").exists() and log.read_text().count("\n") > 2)
    run.send(signal.SIGTERM, to_group=True)
    run.ends(signal.SIGTERM)


@pytest.mark.parametrize(("backend", "number"), [("sync", signal.SIGINT), ("fork", signal.SIGTERM)])
def test_a_signal_during_the_final_evaluation(training, backend, number):
    run = training(*BRIEFLY, *BACKENDS[backend])
    latest = run.dir / "checkpoints" / "latest.pt"
    assert wait_until(lambda: checkpoint.load(latest)["env_steps"] >= 100)  # the parameters are final
    time.sleep(0.3)
    run.send(number)
    stdout = run.ends_in_time(0)
    assert "the evaluation was stopped, and is missing\nfinished: " in stdout
    result = json.loads((run.dir / "result.json").read_text())
    assert (result["stop_reason"], result["eval_return_mean"]) == ("finished", None)
    assert result["env_steps"] >= 100


def test_a_second_ctrl_c_ends_a_run_whose_environments_are_stuck(training):
    run = training(*FOREVER, *BACKENDS["fork"], "--env-id", "support:Stuck-v0")
    time.sleep(1)  # until the first step, which is stuck
    run.send(signal.SIGINT)
    time.sleep(0.5)
    assert run.alive()
    run.send(signal.SIGINT)
    run._process.communicate(timeout=60)
    assert run._process.returncode == 130
    assert wait_until(lambda: not run.alive(), seconds=3), run.alive()
