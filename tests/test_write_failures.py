"""Whatever keeps a run from being saved: it says so in one line, trains on, and tries again."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from support import kill_group, read_csv, read_scalars, start, wait_until

from vecac.recording import checkpoint

pytestmark = pytest.mark.linux  # disks mounted in a namespace of their own

FLAGS = (
    *("-m", "vecac.train", "--engine", "sync", "--total-timesteps", "100000000", "--log-interval", "2000"),
    *("--checkpoint-interval", "0.2", "--quiet"),
)


def may_mount(folder):
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "none", str(folder)]
    with suppress(OSError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


class SmallDisk:
    """A run whose log folder is a disk of its own, of two megabytes."""

    def __init__(self, folder):
        if not may_mount(folder):
            pytest.skip("needs the right to mount")
        self.stderr = folder.parent / "stderr.txt"
        mount = 'mount -t tmpfs -o size=2m none "$0" && exec "$@"'
        command = ("unshare", "-m", "sh", "-c", mount, folder, sys.executable, *FLAGS, "--log-dir", folder)
        launcher = "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"
        with open(self.stderr, "w") as stderr:
            self.process = start("-c", launcher, *command, stderr=stderr)
        # Where this process sees what only that one has mounted.
        self.logs = type(folder)(f"/proc/{self.process.pid}/root{folder}")
        self.folder = folder

    def run_dir(self):
        (run_dir,) = self.logs.glob("[!.]*__*")
        return run_dir

    def remount(self, how):
        enter = ("nsenter", "-m", "-t", str(self.process.pid))
        subprocess.run([*enter, "mount", "-o", f"remount,{how}", str(self.folder)], check=True)


def fill_up(disk):
    with suppress(OSError), open(disk.logs / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


def make_room(disk):
    (disk.logs / "filler").unlink()


def protect(disk):
    disk.remount("ro")


def release(disk):
    disk.remount("rw")


def disk_name(disk):
    return disk.stderr.read_text().split(" cannot be")[0].rpartition("/")[2]


def take_away(disk):
    disk.run_dir().rename(disk.logs / "elsewhere")


def bring_back(disk):
    (disk.logs / "elsewhere").rename(disk.logs / disk_name(disk))


CAUSES = {
    "full": (fill_up, make_room, "No space left on device"),
    "read-only": (protect, release, "Read-only file system"),
    "gone": (take_away, bring_back, "No such file or directory"),
}


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = SmallDisk(folder)
    yield disk
    kill_group(disk.process.pid)
    disk.process.communicate()


def env_steps(disk):
    return checkpoint.load(disk.run_dir() / "checkpoints" / "latest.pt")["env_steps"]


def begins_to_fail(disk, cause):
    """Let the run get going, then do it harm; returns after its one line about that."""
    harm, _, reason = CAUSES[cause]
    assert wait_until(lambda: [*disk.logs.glob("*/checkpoints/latest.pt")] and env_steps(disk) > 0)
    harm(disk)
    assert wait_until(lambda: "tried again" in disk.stderr.read_text())
    (line,) = disk.stderr.read_text().splitlines()
    assert line.startswith("warning: ") and f"cannot be written to: {reason};" in line


@pytest.mark.parametrize("cause", CAUSES)
def test_once_it_can_be_written_again_nothing_is_missing(cause, disk, tmp_path):
    begins_to_fail(disk, cause)
    CAUSES[cause][1](disk)
    assert wait_until(lambda: len(disk.stderr.read_text().splitlines()) == 2)
    before = env_steps(disk)
    assert wait_until(lambda: env_steps(disk) > before)
    kept = tmp_path / "kept"
    # The disk goes with its process: a copy made while it stands still.
    os.kill(disk.process.pid, signal.SIGSTOP)
    shutil.copytree(disk.run_dir(), kept)
    os.kill(disk.process.pid, signal.SIGCONT)
    disk.process.send_signal(signal.SIGTERM)
    disk.process.communicate(timeout=60)
    assert disk.process.returncode == 143
    assert disk.stderr.read_text().splitlines()[1:] == [
        f"warning: {disk.folder}/{disk_name(disk)} can be written to again"
    ]
    steps = [int(row["time/total_timesteps"]) for row in read_csv(kept)]
    assert np.diff([0, *steps]).max() < 2 * 2000  # no row is missing
    assert [step for step, _ in read_scalars(kept)["time/total_timesteps"]] == steps


@pytest.mark.parametrize("cause", CAUSES)
def test_if_the_last_state_cannot_be_saved_the_run_has_failed(cause, disk):
    begins_to_fail(disk, cause)
    disk.process.send_signal(signal.SIGTERM)
    disk.process.communicate(timeout=60)
    assert disk.process.returncode == 1
    _, line = disk.stderr.read_text().splitlines()
    assert line.startswith("error: the last state could not be saved in ")
    assert line.endswith(CAUSES[cause][2])
