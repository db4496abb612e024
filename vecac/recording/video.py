"""Video files, which are there whole or not at all. What writes them is imported where one is begun."""

import errno
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vecac.errors import UsageError
from vecac.extras import require_extras

FORMATS: dict[str, dict[str, Any]] = {
    ".mp4": {"codec": "libx264", "pix_fmt_out": "yuv420p", "quality": 7},
    ".gif": {
        "codec": "gif",
        "pix_fmt_out": "pal8",
        "quality": None,
        # A palette of its own for each frame: one for all would keep all in memory.
        "output_params": [
            "-filter_complex",
            "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1",
        ],
    },
}
"""What ffmpeg is told, by the ending of a file's name."""

Frame = NDArray[np.uint8]
"""(height, width, 3)."""


def require_video(path: Path, flag: str) -> None:
    """Refuse, with a UsageError, a file of unknown ending, in no folder, or for which an extra is missing."""
    if path.suffix not in FORMATS:
        raise UsageError(f"{flag} {path}: the file's name must end in {' or '.join(FORMATS)}")
    require_extras("video")
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"{path.parent} is no folder"
        raise UsageError(f"{flag} {path}: {what}; name a file in a folder that there is")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{flag} {path}: {path.parent} cannot be written to; name another folder")


MOST_FRAMES, MOST_PIXELS = 100, 320
"""Of a thumbnail, and of its width."""


class VideoFile:
    """Takes frames, all of one size; the file appears once `keep` was called and the with block is over.

    Args:
        path: as `require_video` has it.
        fps: frames a second.

    Raises:
        OSError: in `add`, or at the end, it cannot be written.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._partial = path, path.with_name(f".{path.stem}.partial{path.suffix}")
        self._fps = fps
        self._writer: Generator[None, Any, None] | None = None
        self._is_kept = False

    def __enter__(self) -> "VideoFile":
        return self

    def add(self, frame: Frame) -> None:
        """The next frame."""
        frame = even(frame) if self._path.suffix == ".mp4" else frame
        with self._faults_named():
            if self._writer is None:
                self._writer = self._begin(frame)
            self._writer.send(np.ascontiguousarray(frame))

    def keep(self) -> None:
        """All frames are there."""
        self._is_kept = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self._writer is not None:
                with self._faults_named():
                    self._writer.close()
            if self._is_kept and kind is None:
                self._partial.replace(self._path)
        finally:
            self._partial.unlink(missing_ok=True)

    def _begin(self, frame: Frame) -> "Generator[None, Any, None]":
        import imageio_ffmpeg

        size, options = frame.shape[1::-1], FORMATS[self._path.suffix]
        writer: Generator[None, Any, None] = imageio_ffmpeg.write_frames(
            str(self._partial), size, fps=self._fps, macro_block_size=1, ffmpeg_log_level="error", **options
        )
        writer.send(None)
        return writer

    @contextmanager
    def _faults_named(self) -> Iterator[None]:
        """ffmpeg says by ending itself that it cannot write; why, it told in its own words."""
        try:
            yield
        except OSError as error:
            raise OSError(errno.EIO, "ffmpeg could not write it", str(self._path)) from error


def even(frame: Frame) -> Frame:
    """The frame with its last row and column doubled where that makes their number even, for codecs."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


class Thumbnail:
    """A small GIF of frames that come one by one: of every k-th of them, and every j-th pixel."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._every, self._seen, self._fps = 1, 0, 1.0

    def add(self, frame: Frame, fps: float) -> None:
        """The next frame, of so many a second."""
        self._fps, pixels = fps, -(-frame.shape[1] // MOST_PIXELS)
        if self._seen % self._every == 0:
            self._frames.append(frame[::pixels, ::pixels].copy())
        self._seen += 1
        if len(self._frames) > MOST_FRAMES:
            self._frames, self._every = self._frames[::2], 2 * self._every

    def encode(self) -> tuple[bytes, int, int]:
        """The file's bytes, and the height and width of its pictures."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "thumbnail.gif"
            with VideoFile(path, self._fps / self._every) as video:
                for frame in self._frames:
                    video.add(frame)
                video.keep()
            return path.read_bytes(), *self._frames[0].shape[:2]
