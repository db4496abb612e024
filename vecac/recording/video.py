"""Video files, which are there whole or not at all. What writes them is imported where one is begun."""

import errno
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from vecac.extras import require_extras
from vecac.recording.files import require_file

FORMATS = {
    ".mp4": ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "20"),
    # A palette of its own for each frame: one for all would keep all of them in memory.
    ".gif": ("-filter_complex", "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1"),
}
"""What ffmpeg is told, by the ending of a file's name."""

Frame = NDArray[np.uint8]
"""(height, width, 3)."""


def require_video(path: Path, flag: str) -> None:
    """Refuse a file as `require_file` does, or for want of the extra."""
    require_file(path, flag, FORMATS)
    require_extras("video")


MOST_FRAMES, MOST_PIXELS = 100, 320
"""Of a thumbnail, and of its width."""


class VideoFile:
    """Takes frames, all of one size; the file appears once `keep` was called and the with block is over.

    Args:
        path: as `require_video` has it.
        fps: frames a second.

    Raises:
        OSError: in `add`, or at the end, it cannot be written; what was there before stays.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self._path, self._fps = path, fps
        self._partial = path.with_name(f".{path.stem[:100]}.partial{path.suffix}").absolute()
        self._ffmpeg: subprocess.Popen[bytes] | None = None
        self._said = TemporaryFile()
        self._is_kept = False

    def __enter__(self) -> "VideoFile":
        return self

    def add(self, frame: Frame) -> None:
        """The next frame."""
        frame = even(frame) if self._path.suffix == ".mp4" else frame
        if self._ffmpeg is None:
            self._ffmpeg = self._begin(frame)
        assert self._ffmpeg.stdin is not None
        try:
            self._ffmpeg.stdin.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError:
            self._end()

    def keep(self) -> None:
        """All frames are there."""
        self._is_kept = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._end()
                if self._is_kept:
                    self._partial.replace(self._path)
            elif self._ffmpeg is not None:
                self._ffmpeg.kill()
                self._ffmpeg.communicate()
        finally:
            self._said.close()
            self._partial.unlink(missing_ok=True)

    def _begin(self, frame: Frame) -> "subprocess.Popen[bytes]":
        import imageio_ffmpeg

        height, width = frame.shape[:2]
        pictures = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{self._fps}")
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *pictures, "-i", "-"]
        command += [*FORMATS[self._path.suffix], f"file:{self._partial}"]
        # In a session of its own Ctrl-C does not reach it: it ends with its input.
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=self._said, stdout=self._said, start_new_session=True
        )

    def _end(self) -> None:
        """Wait until ffmpeg has written all; OSError with what it said if it could not."""
        if self._ffmpeg is None:
            return
        with suppress(BrokenPipeError):
            assert self._ffmpeg.stdin is not None
            self._ffmpeg.stdin.close()
        if self._ffmpeg.wait() != 0:
            self._said.seek(0)
            lines = self._said.read().decode(errors="replace").split("\n")
            said = next((line for line in reversed(lines) if line.strip()), "it ended")
            raise OSError(errno.EIO, f"ffmpeg could not: {said.strip()}", str(self._path))


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
