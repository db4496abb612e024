import io
import subprocess

import numpy as np
import pytest
from PIL import Image

from vecac.errors import UsageError
from vecac.recording.video import MOST_FRAMES, Thumbnail, VideoFile, even, require_video

ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs the video extra")


def frames(count, height=40, width=60):
    """Of one colour each, which rises."""
    return [np.full((height, width, 3), 2 * number, np.uint8) for number in range(count)]


def read(path):
    reader = ffmpeg.read_frames(str(path))
    about = next(reader)
    width, height = about["size"]
    return about["fps"], [np.frombuffer(data, np.uint8).reshape(height, width, 3) for data in reader]


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_frames_come_back_as_they_were(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    with VideoFile(path, 25) as video:
        for frame in frames(30):
            video.add(frame)
        assert not path.exists()
        video.keep()
    fps, found = read(path)
    assert fps == 25
    assert len(found) == 30
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    for frame, expected in zip(found, frames(30), strict=True):
        assert np.abs(frame.astype(int) - expected).max() <= 3


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_frames_that_are_alike_are_there_all_the_same(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    with VideoFile(path, 10) as video:
        for _ in range(12):
            video.add(frames(1)[0])
        video.keep()
    assert len(read(path)[1]) == 12


def test_odd_sizes_lose_no_row():
    frame = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    padded = even(frame)
    assert padded.shape == (6, 8, 3)
    assert np.array_equal(padded[:5, :7], frame)
    assert np.array_equal(padded[5, :7], frame[4])
    assert even(padded) is not None
    assert np.array_equal(even(padded), padded)


@pytest.mark.parametrize("broken", [False, True])
def test_what_is_not_kept_leaves_nothing(tmp_path, broken):
    def write():
        with VideoFile(tmp_path / "a.mp4", 10) as video:
            video.add(frames(1)[0])
            if broken:
                video.keep()
                raise ZeroDivisionError

    if broken:
        with pytest.raises(ZeroDivisionError):
            write()
    else:
        write()
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written(tmp_path, capfd):
    path = tmp_path / "gone" / "a.mp4"

    def write():
        with VideoFile(path, 10) as video:
            for frame in 200 * frames(1, 400, 600):
                video.add(frame)
            video.keep()

    with pytest.raises(OSError, match=r"ffmpeg could not write it|No such file"):
        write()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [1, MOST_FRAMES, 10 * MOST_FRAMES])
def test_a_thumbnail_is_small_and_lasts_as_long(tmp_path, count):
    thumbnail = Thumbnail()
    for number in range(count):
        thumbnail.add(np.full((400, 641, 3), number % 250, np.uint8), 50.0)
    data, height, width = thumbnail.encode()
    assert (height, width) == (134, 214)
    picture = Image.open(io.BytesIO(data))
    assert picture.size == (214, 134)
    assert picture.n_frames <= MOST_FRAMES
    milliseconds = 0
    for number in range(picture.n_frames):
        picture.seek(number)
        milliseconds += picture.info["duration"]
    assert milliseconds == pytest.approx(20 * count, rel=0.05, abs=20)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.avi", r"^--video .*a.avi: the file's name must end in .mp4, .gif$"),
        ("no/a.mp4", r"no is no folder; name a file in a folder that there is$"),
        ("folder.gif", r": is a folder; name a file"),
    ],
)
def test_a_file_that_cannot_be(tmp_path, name, message):
    (tmp_path / "folder.gif").mkdir()
    with pytest.raises(UsageError, match=message):
        require_video(tmp_path / name, "--video")


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("vecac.extras.find_spec", lambda name: None if name == "imageio_ffmpeg" else "there")
    with pytest.raises(UsageError, match=r"^imageio_ffmpeg is not installed: pip install .*'.\[video\]'$"):
        require_video(tmp_path / "a.mp4", "--video")


def test_a_disk_that_is_full_only_at_the_end_leaves_what_was_there(tmp_path, capfd, monkeypatch):
    """As ffmpeg says by its exit status alone, when it writes a file's end."""
    path = tmp_path / "a:b.mp4"
    path.write_bytes(b"an earlier one")
    ended = subprocess.Popen.wait
    monkeypatch.setattr(subprocess.Popen, "wait", lambda self, *_: ended(self) or 1)

    def write():
        with VideoFile(path, 10) as video:
            video.add(frames(1)[0])
            video.keep()

    with pytest.raises(OSError, match="ffmpeg could not"):
        write()
    assert path.read_bytes() == b"an earlier one"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    monkeypatch.undo()
    write()
    assert len(read(path.absolute())[1]) == 1
    assert capfd.readouterr() == ("", "")


def test_a_name_may_be_long_but_not_too_long(tmp_path):
    path = tmp_path / f"{'n' * 250}.mp4"
    with VideoFile(path, 10) as video:
        video.add(frames(1)[0])
        video.keep()
    assert path.exists()
    with pytest.raises(UsageError, match="File name too long; name another file"):
        require_video(tmp_path / f"{'n' * 300}.mp4", "--video")
