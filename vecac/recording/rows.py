"""The rows of progress.csv read back, also while a run is writing them.

Shapes: G points of a curve.
"""

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vecac.recording.meanings import METRICS

TAIL_BYTES = 65_536
"""Of a file, in which its last whole row stands."""


def read_rows(run_dir: Path, tags: Sequence[str]) -> NDArray[np.float64]:
    """These metrics in all rows of a run folder, (G, len(tags)), NaN where they are blank.

    A last line that is not whole yet is no row.

    Raises:
        OSError: there is no progress.csv, or it cannot be read.
        ValueError: a line of it is no row of numbers.
    """
    with open(run_dir / "progress.csv", "rb") as file:
        header, *lines = _whole_lines(file.read()) or [[]]
    return np.array(list(_rows(header, lines, tags)), np.float64).reshape(-1, len(tags))


def last_row(run_dir: Path) -> dict[str, float]:
    """The metrics of the last whole row, by tag; none if there is no row yet.

    Raises:
        OSError, ValueError: as by `read_rows`.
    """
    with open(run_dir / "progress.csv", "rb") as file:
        begin = file.readline()
        end = file.seek(0, os.SEEK_END)
        file.seek(max(len(begin), end - TAIL_BYTES))
        lines = _whole_lines(file.read())
    if not lines:
        return {}
    (tags,) = _whole_lines(begin)
    (row,) = _rows(tags, lines[-1:], tags)
    return {tag: number for tag, number in zip(tags, row, strict=True) if math.isfinite(number)}


def _whole_lines(content: bytes) -> list[list[str]]:
    """The cells of each line but the last, if that has no end; metrics and numbers need no quotes."""
    lines = content.decode(errors="replace").split("\n")[:-1]
    return [line.rstrip("\r").split(",") for line in lines]


def _rows(
    header: Sequence[str], lines: Sequence[Sequence[str]], tags: Sequence[str]
) -> Iterator[list[float]]:
    """What stands below these tags, NaN for nothing."""
    if any(header) and not METRICS.keys() & set(header):
        raise ValueError("its first line names no metrics")
    places = [header.index(tag) if tag in header else None for tag in tags]
    for cells in lines:
        if len(cells) != len(header):
            raise ValueError(f"{','.join(cells)[:80]!r} is no row of {len(header)} numbers")
        yield [math.nan if place is None else float(cells[place] or "nan") for place in places]
