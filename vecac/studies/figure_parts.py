"""What figures of runs and studies share: their look, their legends, and how they get to the disk."""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import EngFormatter, PercentFormatter
from numpy.typing import NDArray

from vecac.recording.files import write_atomically
from vecac.studies.design import Design

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
"""Of the settings by rank: Okabe & Ito's (2008), which colour-blind people tell apart, brown for yellow."""

MOST_SHOWN = len(COLOURS)
"""Settings in a figure of lines."""

WIDTH = 7.2
"""Of a figure, in inches."""

LEGEND_LINE, NOTE_LINE, MARGIN = 0.168, 0.14, 0.08
"""Heights below the axes, in inches."""

LONGEST_LABEL, LONGEST_OF_TWO = 98, 48
"""Characters of a legend's line, and of one beside another."""

LONGEST_NOTE = 126
"""Characters of a line below."""

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 9,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "font.size": 8.5,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "vecac",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
}

Array = NDArray[np.float64]


@contextmanager
def style() -> Iterator[None]:
    """The look of everything that is drawn and saved within, whatever the user's own matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Without axes; in inches, without what `finish` puts below."""
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))


def title(figure: Figure, text: str) -> None:
    """Of a figure with several panels."""
    figure.suptitle(text, x=MARGIN / figure.get_figwidth(), ha="left", fontsize=10)


def finish(figure: Figure, note: str, handles: Sequence[Artist] = (), labels: Sequence[str] = ()) -> Figure:
    """Put a legend below the axes, and below that what the reader has to know; the figure grows by them."""
    columns = 2 if len(labels) > 1 and max(map(len, labels)) <= LONGEST_OF_TWO else 1
    width, height = figure.get_size_inches()
    lines = wrapped(note, round(LONGEST_NOTE * width / WIDTH))
    note_height = NOTE_LINE * len(lines) + MARGIN
    legend_height = LEGEND_LINE * math.ceil(len(labels) / columns) + 2 * MARGIN if labels else 0.0
    below = note_height + legend_height
    figure.set_size_inches(width, height + below)
    bottom = below / (height + below)
    engine = figure.get_layout_engine()
    assert isinstance(engine, ConstrainedLayoutEngine)
    engine.set(rect=(0, bottom, 1, 1 - bottom))
    if labels:
        figure.legend(
            handles,
            labels,
            loc="upper left",
            bbox_to_anchor=(MARGIN / width, bottom - MARGIN / (height + below)),
            ncols=columns,
            borderaxespad=0,
            borderpad=0,
            labelspacing=0.35,
        )
    figure.text(
        MARGIN / width,
        MARGIN / (height + below),
        "\n".join(map(escaped, lines)),
        fontsize=7.5,
        color="#555555",
        va="bottom",
        linespacing=1.25,
    )
    return figure


def label_of(design: Design, setting: int, behind: str = "") -> str:
    """A setting by number and flags, with something behind that is not cut off."""
    label = f"{setting}: {design.describe(setting)}" if design.varied else design.describe(setting)
    return shown(label, LONGEST_LABEL - len(behind)) + behind


def heading(design: Design, what: str, count: int, number: int) -> str:
    """A figure's title; count of a number of settings are shown."""
    name = "" if "env_id" in design.varied else f"{design.base.env_id}: "
    which = f", the best {count} of {number:,} settings" if count < number else ""
    return shown(f"{name}{what}{which}", 80)


def runs_each(counts: Sequence[int]) -> str:
    """How many runs the settings have."""
    least, most = min(counts), max(counts)
    number = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    return f"{number} run{'s' if most > 1 else ''}" + (" a setting" if len(counts) > 1 else "")


def shown(text: str, longest: int) -> str:
    """A text in a line of at most so many characters, none of which matplotlib makes formulas of."""
    line = " ".join(text.split())
    return escaped(line if len(line) <= longest else line[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}")


def escaped(text: str) -> str:
    """With what the font lacks as Python would write it."""
    font = get_font(findfont(FontProperties()))
    known = [one if font.get_char_index(ord(one)) else ascii(one)[1:-1] for one in text]
    return "".join(known).replace("$", r"\$")


def wrapped(text: str, longest: int) -> list[str]:
    """Lines of at most so many characters, if no word is longer."""
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= longest:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def say_nothing_is_drawn(axes: Axes) -> None:
    """Explain axes that are empty."""
    axes.text(
        0.5,
        0.5,
        "no run came to a return",
        transform=axes.transAxes,
        ha="center",
        va="center",
        color="#555555",
    )


def count_env_steps(axes: Axes, most: float) -> None:
    """Make env steps, of which there are at most so many, the x axis."""
    axes.set_xlabel("env steps")
    axes.set_xlim(0, most)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def show_shares(axes: Axes, label: str) -> None:
    """Make a share from 0 to 1 the y axis."""
    axes.set_ylabel(label)
    axes.set_ylim(-0.02, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def shade(axes: Axes, x: Array, low: Array, high: Array, colour: str, alpha: float, step: Any = None) -> None:
    """Draw a band."""
    axes.fill_between(x, low, high, color=colour, alpha=alpha, linewidth=0, step=step)


def band_alpha(bands: int) -> float:
    """How opaque so many bands are, of which many would be mud."""
    return 0.18 if bands <= 4 else 0.11


def floor_below(numbers: Iterable[Array]) -> float:
    """A little below everything finite, where the bands end that have no end; -inf if nothing is finite."""
    known = np.concatenate([number[np.isfinite(number)] for number in numbers])
    return float(known.min() - 0.03 * np.ptp(known)) if len(known) else -math.inf


def mark_threshold(axes: Axes, threshold: float | None) -> None:
    """Draw the mean return that solves the environment, if there is one."""
    if threshold is None:
        return
    axes.axhline(threshold, color="#333333", linestyle=":", linewidth=1.2)
    axes.annotate(
        f"solved:\n{threshold:g}",
        (1.01, threshold),
        xycoords=axes.get_yaxis_transform(),
        va="center",
        annotation_clip=False,
    )


FORMATS: dict[str, dict[str, Any]] = {
    ".png": {"Software": "vecac"},
    ".svg": {"Creator": "vecac", "Date": None},
    ".pdf": {"Creator": "vecac", "CreationDate": None},
}
"""By suffix, what a file says of itself: no time, so that equal figures give equal bytes."""


def save(figure: Figure, path: Path) -> list[Path]:
    """Write it with the suffixes .png and .svg; equal figures give equal bytes.

    Raises:
        OSError: it could not be written; each file is the old or the new one, whole.
    """
    paths = [path.with_suffix(suffix) for suffix in (".png", ".svg")]
    for one in paths:
        save_as(figure, one)
    return paths


def save_as(figure: Figure, path: Path) -> None:
    """Write it in the one of FORMATS that the path's suffix names; see `save`."""
    suffix, buffer = path.suffix.lower(), io.BytesIO()
    figure.savefig(buffer, format=suffix[1:], dpi=150, metadata=FORMATS[suffix])
    write_atomically(path, buffer.getvalue())
