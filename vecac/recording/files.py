"""Files that are there whole or not at all, and files that grow by whole pieces."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from vecac.errors import UsageError


def require_file(path: Path, flag: str, endings: Iterable[str]) -> None:
    """Refuse, with a UsageError, a file of another ending, or in no folder that can be written to."""
    if path.suffix not in endings:
        raise UsageError(f"{flag} {path}: the file's name must end in {', '.join(endings)}")
    try:
        is_folder, has_folder = path.is_dir(), path.parent.is_dir()
    except OSError as error:  # the name is too long, for one
        raise UsageError(f"{flag} {path}: {error.strerror}; name another file") from error
    if is_folder or not has_folder:
        what = "is a folder" if is_folder else f"{path.parent} is no folder"
        raise UsageError(f"{flag} {path}: {what}; name a file in a folder that there is")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{flag} {path}: {path.parent} cannot be written to; name another folder")


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the file so that, whatever happens, `path` holds the old content or the new one, whole.

    Raises:
        OSError: it could not be written; the old file is untouched and nothing else is left.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


class GrowingFile:
    """Collects pieces and appends them to a file, of which `size` bytes are there and stay.

    It is opened anew for each write, so that a file or folder that has gone is noticed and not written
    into the void, and whatever lies behind its known end, such as half a piece, is cut off first. The first
    `flush` makes it if `size` is 0.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path, self.size = path, size
        self._pending = bytearray()

    @property
    def end(self) -> int:
        """The size with all pieces added so far."""
        return self.size + len(self._pending)

    def add(self, piece: bytes) -> None:
        """Append at the next `flush`."""
        self._pending += piece

    def flush(self, durably: bool = False) -> None:
        """Put all pieces on disk, so that they outlast even a power failure if that is asked for.

        Raises:
            OSError: not all could be written; the next call tries them all again.
        """
        is_new = self.size == 0 and not self.path.exists()
        with open(self.path, "x+b" if is_new else "r+b") as file:
            if file.seek(0, os.SEEK_END) < self.size:
                raise OSError(errno.EIO, "it has become shorter", str(self.path))
            file.seek(self.size)
            file.truncate()
            file.write(self._pending)
            file.flush()
            if durably:
                os.fsync(file.fileno())
        self.size += len(self._pending)
        self._pending.clear()
