"""progress.csv read back, as MetricsLog writes it and as it stands while a run is at it."""

import math

import numpy as np
import pytest

from vecac.config import Config
from vecac.recording import rows
from vecac.recording.meanings import METRICS
from vecac.recording.metrics import MetricsLog
from vecac.recording.rows import last_row, read_rows

NAN = math.nan
A, B = "time/total_timesteps", "eval/mean_reward"


@pytest.fixture
def write(tmp_path):
    """Whatever is in the file: a header of three metrics, and lines."""

    def write(*lines, end="\r\n", header=f"{A},train/loss,{B}"):
        (tmp_path / "progress.csv").write_text("\r\n".join([header, *lines]) + end, newline="")
        return tmp_path

    return write


def test_what_a_log_writes_is_read_back_to_the_last_digit(tmp_path):
    log = MetricsLog(tmp_path, Config().to_dict())
    written = [{A: 1000, "train/loss": 1 / 3, B: NAN}, {A: 2000, "train/loss": -1e-300, B: 500.0}]
    for row in written:
        log.write(row[A], row)
    log.flush()
    np.testing.assert_array_equal(
        read_rows(tmp_path, [A, "train/loss", B]), [[1000, 1 / 3, NAN], [2000, -1e-300, 500]]
    )
    assert last_row(tmp_path) == written[1]
    assert read_rows(tmp_path, list(METRICS)).shape == (2, len(METRICS))


def test_columns_come_in_the_order_asked_for(write):
    folder = write("10,1,", "20,2,7")
    np.testing.assert_array_equal(read_rows(folder, [B, A]), [[NAN, 10], [7, 20]])


def test_a_column_that_there_is_not_is_blank(write):
    np.testing.assert_array_equal(read_rows(write("10,1,"), [A, "train/entropy"]), [[10, NAN]])


@pytest.mark.parametrize("torn", ["2", "20,2", "20,2,", "20,2,7", "20,2,7\r", "\0\0\0"])
def test_a_line_that_is_not_whole_is_no_row(write, torn):
    folder = write("10,1,3", torn, end="")
    assert read_rows(folder, [A]).tolist() == [[10]]
    assert last_row(folder) == {A: 10, "train/loss": 1, B: 3}


@pytest.mark.parametrize("header", ["", f"{A},{B}"])
@pytest.mark.parametrize("end", ["", "\r\n"])
def test_before_the_first_row(write, header, end):
    folder = write(header=header, end=end)
    assert read_rows(folder, [A, B]).shape == (0, 2)
    assert last_row(folder) == {}


def test_a_file_longer_than_its_end_is_read_from_the_end(write, monkeypatch):
    monkeypatch.setattr(rows, "TAIL_BYTES", 20)
    folder = write(*(f"{number},1,{number}" for number in range(100, 200)))
    assert last_row(folder)[A] == 199
    assert len(read_rows(folder, [A])) == 100


@pytest.mark.parametrize("line", ["x,1,2", "1,2", "1,2,3,4", "\ufffd,1,2", '"1,2",3'])
def test_what_is_no_row_is_told(write, line):
    folder = write(line)
    with pytest.raises(ValueError):
        read_rows(folder, [A, B])
    with pytest.raises(ValueError):
        last_row(folder)


def test_without_a_file(tmp_path):
    for read in (last_row, lambda folder: read_rows(folder, [A])):
        with pytest.raises(FileNotFoundError):
            read(tmp_path)
