"""Figures of runs in folders, each by itself or in groups, and the window that shows one."""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vecac.config_rules import flag
from vecac.recording.meanings import METRICS
from vecac.studies.figure_parts import (
    COLOURS,
    LONGEST_LABEL,
    MOST_SHOWN,
    Array,
    band_alpha,
    count_env_steps,
    finish,
    floor_below,
    mark_threshold,
    new_figure,
    runs_each,
    shade,
    shown,
)
from vecac.studies.outcome import POINTS
from vecac.studies.run_curves import RETURNS, GroupCurve, RunCurve, reward_threshold

HEIGHT = 3.9
"""Of a figure, in inches, without what is below it."""

LOOKS = [(colour, line) for line, colour in product(("-", "--", "-."), COLOURS)]
"""Of groups, which can be told apart: solid lines first."""


def draw_runs(curves: Sequence[RunCurve], x: str, y: str) -> Figure:
    """A line a run: each with a name of its own, or, of many, all of an environment in one colour."""
    figure, axes = _begin(curves, y, "")
    envs = sorted({curve.config.env_id for curve in curves})
    is_few = len(curves) <= MOST_SHOWN
    is_clear = len({curve.run_dir.name for curve in curves}) == len(curves)
    handles: dict[str, Artist] = {}
    counts: dict[str, int] = {}
    for number, curve in enumerate(curves):
        own = curve.run_dir.name if is_clear else str(curve.run_dir)
        name = own if is_few else curve.config.env_id
        colour, line = LOOKS[(number if is_few else envs.index(name)) % len(LOOKS)]
        handles[name] = _line(axes, curve.x_G, curve.y_G, colour, line, 1.2 if is_few else 0.7)
        counts[name] = counts.get(name, 0) + 1
    labels = [_label(name, "" if is_few else f" ({runs_each([count])})") for name, count in counts.items()]
    return _end(figure, curves, x, y, "Line: a run.", list(handles.values()), labels)


def draw_groups(groups: Sequence[GroupCurve], x: str, y: str, fields: Sequence[str]) -> Figure:
    """A line a group, which are at most as many as LOOKS, with a band."""
    curves = [curve for group in groups for curve in group.runs]
    figure, axes = _begin(curves, y, " by " + ", ".join(map(flag, fields)))
    floor = floor_below([number for group in groups for number in (group.value_G, group.low_G, group.high_G)])
    handles, labels = [], []
    for group, (colour, line) in zip(groups, LOOKS, strict=False):
        value_G = np.where(np.isfinite(group.value_G), group.value_G, math.nan)
        low_G = np.where(np.isneginf(group.low_G) & np.isfinite(group.high_G), floor, group.low_G)
        if len(group.x_G) == 1:
            axes.vlines(group.x_G, low_G, group.high_G, color=colour, linewidth=1, alpha=0.6)
        else:
            shade(axes, group.x_G, low_G, group.high_G, colour, band_alpha(len(groups)))
        handles.append(_line(axes, group.x_G, value_G, colour, line))
        labels.append(_label(group.label, f" (n = {len(group.runs):,})"))
    note = (
        f"Line: median of a group's n runs, at {POINTS} points as far as all of them go; of one "
        "run, its rows. Band: its 95 % bootstrap interval at each point, where n > 1."
    )
    ends = {curve.stop_reason for curve in curves}
    if "target_reached" in ends:
        note += " A run that has come to its target keeps its last number."
    if "failed" in ends and y in RETURNS:
        note += " A run that has failed counts as worse than any other from then on."
    return _end(figure, curves, x, y, note, handles, labels)


def _begin(curves: Sequence[RunCurve], y: str, by: str) -> tuple[Figure, Axes]:
    envs = {curve.config.env_id for curve in curves}
    where = next(iter(envs)) if len(envs) == 1 else f"{len(envs)} environments"
    figure = new_figure(HEIGHT)
    axes = figure.subplots()
    axes.set_title(shown(f"{where}: {y}{by}", 80))
    return figure, axes


def _line(axes: Axes, x_G: Array, y_G: Array, colour: str, line: str, width: float = 1.6) -> Artist:
    """One point alone is a mark, as a line would not be seen; the edge would cut it in halves."""
    is_line = len(x_G) > 1
    (artist,) = axes.plot(
        x_G, y_G, color=colour, ls=line, lw=width, marker="" if is_line else "o", clip_on=is_line
    )
    artist.set_in_layout(is_line)
    return artist


def _label(text: str, behind: str) -> str:
    return shown(text, LONGEST_LABEL - len(behind)) + behind


def _end(
    figure: Figure,
    curves: Sequence[RunCurve],
    x: str,
    y: str,
    note: str,
    handles: Sequence[Artist],
    labels: Sequence[str],
) -> Figure:
    (axes,) = figure.axes
    mark_threshold(axes, reward_threshold(curves, y))
    most = max(float(curve.x_G[-1]) for curve in curves) or 1.0
    if x == "env_steps":
        count_env_steps(axes, most)
    else:
        axes.set_xlabel("seconds since the first env step")
        axes.set_xlim(0, most)
    axes.set_ylabel(y)
    return finish(figure, f"{note} {y}: {METRICS[y]}.", handles, labels)


def show(figure: Figure) -> bool:
    """Open a window, until it is closed; returns whether there is a display for it."""
    import matplotlib.pyplot as plt  # here, as it looks for a display

    def as_it_is(*_: Any, **__: Any) -> Figure:
        return figure

    try:
        plt.figure(FigureClass=as_it_is)  # type: ignore[arg-type]  # pyplot shows only what it has made
    except (ImportError, RuntimeError):  # what MPLBACKEND asks for cannot be had here
        return False
    has_window = figure.canvas.required_interactive_framework is not None
    if has_window:
        plt.show()
    plt.close(figure)
    return has_window
