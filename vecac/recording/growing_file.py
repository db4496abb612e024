"""A file that grows by whole pieces, whatever happens in between."""

import errno
import os
from pathlib import Path


class GrowingFile:
    """Collects pieces and appends them to a file.

    It is opened anew for each write, so that a file or folder that has gone is noticed and not written
    into the void, and whatever lies behind its known end, such as half a piece, is cut off first.

    Args:
        path: of the file; the first `flush` makes it if `size` is 0.
        size: bytes that are there and stay; the first `flush` cuts off what lies behind them.
    """

    def __init__(self, path: Path, size: int = 0) -> None:
        self.path = path
        self.size = size
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
