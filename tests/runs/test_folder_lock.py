import os
import signal
import subprocess
import threading

import pytest
from support import explained, group_members, kill_group, start, wait_until

from vecac import train
from vecac.errors import UsageError
from vecac.runs import folder_lock
from vecac.runs.folder_lock import is_locked, locked

HOLD = "import sys, time; from pathlib import Path; from vecac.runs.folder_lock import locked\n" + (
    "with locked(Path(sys.argv[1])):\n print('locked', flush=True); time.sleep(60)"
)


def is_free(folder):
    try:
        with locked(folder):
            return True
    except UsageError:
        return False


def holder(folder, program=HOLD):
    process = start("-c", program, folder, stderr=None)
    assert process.stdout.readline() == "locked\n"
    return process


def test_one_process_at_a_time(tmp_path):
    process = holder(tmp_path)
    with pytest.raises(UsageError, match=f"--resume {tmp_path}: it is still running"), locked(tmp_path):
        pass
    process.kill()
    process.communicate()
    with locked(tmp_path):
        pass
    with locked(tmp_path):  # and it is given back
        pass
    assert list(tmp_path.iterdir()) == []


def test_there_must_be_a_folder(tmp_path):
    (tmp_path / "file").touch()
    for name in ("missing", "file"):
        with pytest.raises(UsageError, match="is no folder that can be opened"), locked(tmp_path / name):
            pass


@pytest.mark.linux
def test_a_forked_child_does_not_keep_the_lock_of_its_dead_parent(tmp_path):
    child = "import os\n" + HOLD.replace("print(", "os.fork() or time.sleep(60); print(")
    process = holder(tmp_path, child)
    os.kill(process.pid, signal.SIGKILL)
    assert wait_until(lambda: len(group_members(process.pid)) == 1, 5)  # the child lives on
    assert wait_until(lambda: is_free(tmp_path), 5)  # once it has got as far as to let go
    kill_group(process.pid)
    process.communicate()


@pytest.mark.linux
@pytest.mark.parametrize(
    "method", ["fork", *(pytest.param(name, marks=pytest.mark.slow) for name in ("forkserver", "spawn"))]
)
def test_a_run_in_progress_is_refused_and_workers_of_a_dead_one_are_no_obstacle(method, tmp_path, capsys):
    flags = ("--engine", "async", "--num-envs", "2", "--start-method", method, "--eval-episodes", "0")
    process = start(
        *("-m", "vecac.train", *flags, "--log-dir", tmp_path, "--total-timesteps", "20000"),
        stderr=subprocess.DEVNULL,
    )
    try:
        assert wait_until(lambda: [*tmp_path.glob("[!.]*/progress.csv")])
        (run_dir,) = tmp_path.iterdir()
        os.kill(process.pid, signal.SIGSTOP)  # it is still there, but does not end before its time
        message = explained(train.main(["--resume", str(run_dir)]), *capsys.readouterr())
        assert message.startswith(f"--resume {run_dir}: it is still running")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert train.main(["--resume", str(run_dir)]) == 0
        assert capsys.readouterr().err == ""
        assert wait_until(lambda: not group_members(process.pid), 5), group_members(process.pid)
    finally:
        kill_group(process.pid)
        process.communicate()


def test_anyone_may_ask_whether_a_folder_is_locked(tmp_path):
    tmp_path.chmod(0o555)  # asking does not write
    assert not is_locked(tmp_path)
    process = holder(tmp_path)
    assert is_locked(tmp_path)
    process.kill()
    process.communicate()
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        assert is_locked(tmp_path)  # by this process
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_folder_cannot_be_asked(tmp_path):
    (tmp_path / "file").touch()
    for name in ("missing", "file"):
        with pytest.raises(OSError, match=name):
            is_locked(tmp_path / name)


@pytest.mark.linux
def test_who_asks_is_no_run(tmp_path, monkeypatch):
    """Neither to others who ask nor, after a little patience, to a run."""
    import fcntl

    asking = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    assert not is_locked(tmp_path)
    monkeypatch.setattr(folder_lock, "PATIENCE_SECONDS", 0)
    assert not is_free(tmp_path)
    monkeypatch.setattr(folder_lock, "PATIENCE_SECONDS", 60)
    threading.Timer(0.1, os.close, [asking]).start()
    assert is_free(tmp_path)


@pytest.mark.linux
def test_a_run_starts_while_others_keep_asking(tmp_path):
    ask = HOLD[: HOLD.index("with")].replace("import locked", "import is_locked")
    ask += "print('locked', flush=True)\nwhile True: is_locked(Path(sys.argv[1]))"
    processes = [holder(tmp_path, ask) for _ in range(2)]
    taken = [is_free(tmp_path) for _ in range(50)]
    for process in processes:
        assert process.poll() is None
        process.kill()
        process.communicate()
    assert all(taken)
