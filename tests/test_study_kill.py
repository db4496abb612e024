"""A study that is killed at any moment, or whose workers are, comes to the tables of one that was not."""

import os
import random
import signal
import subprocess
import time

import pytest
from study_support import without_times
from support import group_members, kill_group, run, start, wait_until

pytestmark = pytest.mark.linux  # SIGKILL, to a process group

FLAGS = (
    *("--total-timesteps", "600000", "--eval-episodes", "5", "--workers", "2", "--seeds", "8"),
    *("--vary", "learning-rate=1e-3,3e-3", "--vary", "hidden-sizes=256", "--until-ci", "0.4"),
)
KILLS = 20
SAMPLE = (0, 1)


def study_in(logs):
    (folder,) = logs.glob("study__*")
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a study leaves that nobody disturbs, and the seconds that its runs take."""
    logs = tmp_path_factory.mktemp("whole")
    code, _, stderr = run("-m", "vecac.study", *FLAGS, "--log-dir", logs, seconds=300)
    assert (code, stderr) == (0, "")
    return without_times(study_in(logs))


def which(cases):
    return [pytest.param(case, marks=() if case in SAMPLE else pytest.mark.slow) for case in range(cases)]


def begin(logs):
    """A study of which a run is on disk."""
    process = start("-m", "vecac.study", *FLAGS, "--log-dir", logs, stderr=subprocess.PIPE, seconds=300)
    assert wait_until(lambda: [*logs.glob("study__*/runs.csv")], 240)
    return process


@pytest.mark.parametrize("case", which(KILLS))
def test_a_killed_study_comes_to_the_same_tables(case, whole, tmp_path):
    rng = random.Random(case)
    process = begin(tmp_path)
    time.sleep(rng.uniform(0, 3))
    kill_group(process.pid)
    process.communicate()
    folder = study_in(tmp_path)
    for _ in range(rng.randrange(3)):  # and killed again when it goes on
        process = start("-m", "vecac.study", "--resume", folder, stderr=subprocess.PIPE, seconds=300)
        time.sleep(rng.uniform(1, 5))
        kill_group(process.pid)
        process.communicate()
    code, _, stderr = run("-m", "vecac.study", "--resume", folder, seconds=300)
    assert (code, stderr) == (0, "")
    assert without_times(folder) == whole


@pytest.mark.parametrize("case", which(5))
def test_a_study_whose_workers_are_killed_comes_to_the_same_tables(case, whole, tmp_path):
    rng = random.Random(case)
    process = begin(tmp_path)
    time.sleep(rng.uniform(0, 0.3))
    workers = [pid for pid in group_members(process.pid) if is_worker(pid, process.pid)]
    os.kill(rng.choice(workers), signal.SIGKILL)
    _, stderr = process.communicate()
    assert (process.returncode, stderr) == (0, "")
    assert without_times(study_in(tmp_path)) == whole


def is_worker(pid, study):
    """Whether it was forked by the study's server of forks."""
    with open(f"/proc/{pid}/stat") as file:
        parent = int(file.read().rpartition(")")[2].split()[1])
    return parent not in (study, os.getpid()) and pid != study
