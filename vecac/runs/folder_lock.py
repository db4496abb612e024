"""One process at a time trains in a run folder.

Not by the filelock package: what it locks is a file held open to write, which would keep the disk from being
remounted read-only, and would stay behind in the folder. Windows, which locks no folders, has such a file.
"""

import errno
import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vecac.errors import UsageError

_held: set[int] = set()
"""Descriptors of locked folders. Forked children share locks, and would keep them when we have died."""


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Keep every other process from training in the folder; the lock ends with this process at the latest.

    Raises:
        UsageError: another process has it, or there is no such folder.
    """
    try:
        lock = _lock(run_dir)
    except BlockingIOError as error:
        raise UsageError(
            f"--resume {run_dir}: it is still running; wait for its end, or stop it first"
        ) from error
    except OSError as error:
        raise UsageError(
            f"--resume {run_dir} is no folder that can be opened ({error.strerror}): name one that "
            "vecac printed"
        ) from error
    _held.add(lock)
    try:
        yield
    finally:
        _held.discard(lock)
        os.close(lock)


def _lock(run_dir: Path) -> int:
    """A descriptor that is locked until it is closed; BlockingIOError if another process has it."""
    if sys.platform == "win32":
        import msvcrt

        lock = os.open(run_dir / "run.lock", os.O_RDWR | os.O_CREAT)
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
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
