import os
from contextlib import contextmanager

import pytest

from vecac.recording.files import GrowingFile, write_atomically


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def test_pieces_reach_the_disk_in_order_and_once(path):
    file = GrowingFile(path)
    file.add(b"one\n")
    file.add(b"two\n")
    assert not path.exists()
    assert (file.size, file.end) == (0, 8)
    file.flush()
    assert path.read_bytes() == b"one\ntwo\n"
    assert (file.size, file.end) == (8, 8)
    file.add(b"three\n")
    assert (file.size, file.end) == (8, 14)
    file.flush()
    file.flush()
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_a_flush_makes_the_file_even_if_there_is_nothing_in_it(path):
    GrowingFile(path).flush()
    assert path.read_bytes() == b""


@pytest.mark.parametrize(("size", "kept"), [(0, b""), (4, b"one\n"), (9, b"one\ntwo\nh")])
def test_what_lies_behind_its_known_end_is_cut_off(path, size, kept):
    path.write_bytes(b"one\ntwo\nhalf a li")
    file = GrowingFile(path, size)
    assert path.read_bytes() == b"one\ntwo\nhalf a li"  # until the first flush
    file.flush()
    assert path.read_bytes() == kept
    file.add(b"new\n")
    file.flush()
    assert path.read_bytes() == kept + b"new\n"


def test_what_somebody_else_appends_meanwhile_is_cut_off_too(path):
    file = GrowingFile(path)
    file.add(b"one\n")
    file.flush()
    path.write_bytes(b"one\nlitter")
    file.add(b"two\n")
    file.flush()
    assert path.read_bytes() == b"one\ntwo\n"


@contextmanager
def room_for(num_bytes):
    """No file of this process can grow beyond that."""
    import resource  # which only POSIX has

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.linux
def test_a_write_that_fails_half_way_is_tried_again_as_a_whole(path):
    file = GrowingFile(path)
    file.add(b"one\n")
    file.flush()
    file.add(b"two\n")
    file.add(b"three\n")
    for _ in range(2):
        with pytest.raises(OSError, match="File too large"), room_for(6):
            file.flush()
        assert path.read_bytes() == b"one\ntw"
        assert (file.size, file.end) == (4, 14)
    file.add(b"four\n")
    file.flush()
    assert path.read_bytes() == b"one\ntwo\nthree\nfour\n"


def test_a_disk_that_does_not_take_it_doubles_nothing(path, monkeypatch):
    def fail(_):
        raise OSError(5, "Input/output error")

    file = GrowingFile(path)
    file.add(b"one\n")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output error"):
            file.flush(durably=True)
    assert (file.size, file.end) == (0, 4)
    file.add(b"two\n")
    file.flush(durably=True)
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_file_that_has_gone_raises_and_is_not_begun_anew(path):
    file = GrowingFile(path)
    file.add(b"one\n")
    file.flush()
    path.rename(path.with_name("elsewhere"))
    file.add(b"two\n")
    with pytest.raises(FileNotFoundError):
        file.flush()
    assert not path.exists()
    path.with_name("elsewhere").rename(path)
    file.flush()
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_folder_that_has_gone_raises(tmp_path):
    file = GrowingFile(tmp_path / "missing" / "file")
    file.add(b"one\n")
    with pytest.raises(FileNotFoundError):
        file.flush()
    assert not (tmp_path / "missing").exists()


def test_a_file_that_has_become_shorter_raises_and_is_left_alone(path):
    file = GrowingFile(path)
    file.add(b"one\ntwo\n")
    file.flush()
    path.write_bytes(b"one\n")
    file.add(b"three\n")
    with pytest.raises(OSError, match="it has become shorter") as caught:
        file.flush()
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"one\n"


@pytest.mark.parametrize("durably", [False, True])
def test_only_what_has_to_outlast_a_power_failure_waits_for_the_disk(path, monkeypatch, durably):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_size))
    file = GrowingFile(path)
    file.add(b"one\n")
    file.flush(durably)
    assert synced == ([4] if durably else [])


def test_the_old_content_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old and long")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
