"""One process at a time trains in a run folder, and anyone may ask whether one does.

Not by the filelock package: what it locks is a file held open to write, which would keep the disk from being
remounted read-only, and would stay behind in the folder. Windows, which locks no folders, has such a file.
"""

import errno
import functools
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vecac.errors import UsageError

_held: set[int] = set()
"""Descriptors of locked folders. Forked children share locks, and would keep them when we have died."""

PATIENCE_SECONDS = 0.2
"""How long a lock that another process has is tried again: one that only asks has it for an instant."""


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Keep every other process from training in the folder; the lock ends with this process at the latest.

    Raises:
        UsageError: another process has it, or there is no such folder.
    """
    try:
        lock = _lock_patiently(run_dir)
    except BlockingIOError as error:
        raise UsageError(
            f"--resume {run_dir}: it is still running; wait for its end, or stop it first"
        ) from error
    except OSError as error:
        raise UsageError(
            f"--resume {run_dir} is no folder that can be opened ({error.strerror}): name one that "
            "vecac printed"
        ) from error
    with _closing(lock):
        yield


def is_locked(run_dir: Path) -> bool:
    """Whether a process trains in the folder, this one included. It needs to read the folder, not to write.

    Asking is taking the lock for an instant, shared with whoever else asks. That is harmless: a run that has
    the lock does not notice, and one that wants it in that instant tries again for PATIENCE_SECONDS before
    it is refused. Nothing stays behind in the folder.

    Raises:
        OSError: there is no such folder, or it cannot be opened.
    """
    try:
        lock = _lock(run_dir, is_shared=True)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        if run_dir.is_dir():  # without the file that Windows locks: nobody ever has
            return False
        raise
    with _closing(lock):
        return False


@contextmanager
def _closing(lock: int) -> Iterator[None]:
    """Unlock in the end; children that are forked meanwhile do so at once."""
    _held.add(lock)
    try:
        yield
    finally:
        _held.discard(lock)
        os.close(lock)


def _lock_patiently(run_dir: Path) -> int:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return _lock(run_dir)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _lock(run_dir: Path, is_shared: bool = False) -> int:
    """A descriptor that is locked until it is closed; BlockingIOError if another process has the lock.

    A shared lock is to ask by: where there is no file to be locked, none is made.
    """
    if sys.platform == "win32":
        import msvcrt

        lock = os.open(run_dir / "run.lock", os.O_RDWR | (0 if is_shared else os.O_CREAT))
        try:
            msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            os.close(lock)
            raise BlockingIOError(errno.EAGAIN, "locked") from error
        return lock
    import fcntl

    _close_in_children()
    lock = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


@functools.cache
def _close_in_children() -> None:
    def close_all() -> None:
        while _held:
            os.close(_held.pop())

    os.register_at_fork(after_in_child=close_all)
