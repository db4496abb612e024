"""What each varied flag does to the final return and the share of runs solved."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from vecac.config_rules import flag, typed
from vecac.studies import statistics
from vecac.studies.design import Design
from vecac.studies.figure_parts import (
    COLOURS,
    finish,
    heading,
    new_figure,
    runs_each,
    say_nothing_is_drawn,
    show_shares,
    shown,
    title,
)
from vecac.studies.findings import Runs
from vecac.studies.statistics import Estimate

COLUMNS = 3
"""Panels beside one another."""

PANEL_HEIGHT = 2.1
"""In inches."""

MOST_INTERVALS = 200
"""Settings with an interval each; of more, and of points beyond MOST_POINTS, one sees a cloud."""

MOST_POINTS = 2000
"""Points that a drawing keeps as such, and not as a picture of them."""

MOST_TICKS = 8
"""Values on an axis that are each written there."""

UNKNOWN = Estimate(math.nan, math.nan, math.nan)


class Point(NamedTuple):
    """What the runs of one value of a flag came to; a final return of -inf if too many failed."""

    value: Any
    final_return: Estimate
    solved_share: Estimate


def is_grid(design: Design) -> bool:
    """Whether the settings are all combinations of their values."""
    numbers = [len(values_of(design, name)) for name in design.varied]
    return math.prod(numbers) == len(design.settings)


def final_return_kind(design: Design) -> str:
    """What a final return is."""
    greedy = bool(design.base.eval_episodes) or "eval_episodes" in design.varied
    return f"mean of {'the greedy evaluation' if greedy else 'the last 100 episodes'}"


def draw_sensitivity(design: Design, runs: dict[int, Runs], summary: Mapping[str, Any]) -> Figure:
    """A panel for each varied flag: the final return by its values, and the share solved below that.

    Of a grid, over all runs with a value; otherwise, a point for each setting.
    """
    has_threshold, is_marginal = summary["threshold"] is not None, is_grid(design)
    kinds = ("final_return", "solved_share") if has_threshold else ("final_return",)
    columns = min(COLUMNS, len(design.varied))
    rows = math.ceil(len(design.varied) / COLUMNS) * len(kinds)
    figure = new_figure(PANEL_HEIGHT * rows + 0.35)
    title(figure, heading(design, "sensitivity", len(runs), len(runs)))
    panels = figure.subplots(rows, columns, squeeze=False, sharey="row")
    for place in range(columns * rows // len(kinds)):
        down, across = place // columns * len(kinds), place % columns
        own = [panels[down + below, across] for below in range(len(kinds))]
        if place >= len(design.varied):
            for axes in own:
                axes.remove()
            continue
        name = design.varied[place]
        points = _marginals(design, name, runs) if is_marginal else _settings(name, summary)
        for kind, axes in zip(kinds, own, strict=True):
            _draw_panel(axes, design, name, points, kind, is_line=is_marginal)
            axes.set_ylabel(axes.get_ylabel() if across == 0 else "")
        own[-1].set_xlabel(flag(name))
        for axes in own[:-1]:
            axes.tick_params("x", which="both", labelbottom=False)
    return finish(figure, _note(design, runs, is_marginal))


def _marginals(design: Design, name: str, runs: dict[int, Runs]) -> list[Point]:
    """Over all runs with each value."""
    points = []
    for value in values_of(design, name).values():
        own = [
            runs[setting]
            for setting, values in enumerate(design.settings, 1)
            if setting in runs and text_of(name, values[name]) == text_of(name, value)
        ]
        if own:
            final_R = np.concatenate([each.final_return_R for each in own])
            is_solved_R = np.concatenate([each.is_solved_R for each in own])
            points.append(
                Point(
                    value,
                    statistics.interquartile_mean_estimate(final_R),
                    statistics.proportion(int(is_solved_R.sum()), len(is_solved_R)),
                )
            )
    return points


def _settings(name: str, summary: Mapping[str, Any]) -> list[Point]:
    """One for each setting."""
    return [
        Point(
            entry["values"][name],
            known_estimate(entry["final_return"]),
            known_estimate(entry["solved_share"]),
        )
        for entry in summary["settings"]
    ]


def _draw_panel(
    axes: Axes, design: Design, name: str, points: Sequence[Point], kind: str, is_line: bool
) -> None:
    values = values_of(design, name)
    places = _scale(axes, name, list(values.values()))
    x = np.array([places[text_of(name, point.value)] for point in points])
    y, low, high = np.array([getattr(point, kind) for point in points]).T
    is_known = np.isfinite(y)
    if not is_known.any():
        say_nothing_is_drawn(axes)
    low, high = (np.where(np.isfinite(end), end, y) for end in (low, high))
    if len(points) <= MOST_INTERVALS:
        axes.vlines(x[is_known], low[is_known], high[is_known], color=COLOURS[0], linewidth=1, alpha=0.6)
    axes.plot(
        x[is_known],
        y[is_known],
        "o-" if is_line else "o",
        color=COLOURS[0],
        markersize=4 if len(points) <= MOST_INTERVALS else 2,
        linewidth=1.2,
        rasterized=len(points) > MOST_POINTS,
    )
    lost = x[~is_known]
    axes.plot(
        lost,
        np.full(len(lost), 0.03),
        "v",
        color=COLOURS[1],
        transform=axes.get_xaxis_transform(),
        markersize=5,
    )
    if kind == "solved_share":
        show_shares(axes, "share of runs solved")
    else:
        axes.set_ylabel("final return")


def _scale(axes: Axes, name: str, values: Sequence[Any]) -> dict[str, float]:
    """Make the x axis one for the values; where on it each is, by its text."""
    texts = [text_of(name, value) for value in values]
    if not all(_is_number(value) for value in values):
        axes.set_xlim(-0.5, len(values) - 0.5)
        label_categories(axes, "x", values, name)
        return {text: float(place) for place, text in enumerate(texts)}
    low, high = min(values), max(values)
    is_log = low > 0 and high / low > 10
    if is_log:
        axes.set_xscale("log")
    if len(values) <= MOST_TICKS:
        position = [math.log(value) if is_log else value for value in values]
        apart = 0.17 * (position[-1] - position[0])
        kept = [0]
        for place in range(1, len(values)):
            if position[place] - position[kept[-1]] >= apart:
                kept.append(place)
        axes.xaxis.set_major_locator(FixedLocator([values[place] for place in kept]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    elif not is_log:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    return dict(zip(texts, map(float, values), strict=True))


def label_categories(axes: Axes, side: str, values: Sequence[Any], name: str) -> None:
    """Write a flag's values, or some of them, at 0, 1 and so on of the side "x" or "y"."""
    axis = axes.xaxis if side == "x" else axes.yaxis
    step = math.ceil(len(values) / 24)
    texts = [shown(text_of(name, value), 18) for value in values[::step]]
    is_tight = side == "x" and sum(map(len, texts)) + 2 * len(texts) > 24
    axis.set_ticks(range(0, len(values), step), texts)
    if is_tight:
        axes.tick_params("x", rotation=40)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")


def values_of(design: Design, name: str) -> dict[str, Any]:
    """The different values of a flag by their text: numbers first and ascending, then the others as given."""
    known = {text_of(name, setting[name]): setting[name] for setting in design.settings}
    return dict(sorted(known.items(), key=lambda item: item[1] if _is_number(item[1]) else math.inf))


def text_of(name: str, value: Any) -> str:
    """A value as one would type it, without its flag."""
    return str(value) if isinstance(value, bool) else typed(name, value).partition(" ")[2]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def known_estimate(entry: Mapping[str, float | None]) -> Estimate:
    """As summary.json has it; NaN where nothing is known, or too many runs failed."""
    numbers = [entry[name] for name in Estimate._fields]
    return Estimate(*(math.nan if number is None else number for number in numbers))


def _note(design: Design, runs: dict[int, Runs], is_marginal: bool) -> str:
    point = "all runs with that value, whatever the other flags" if is_marginal else "the runs of a setting"
    return (
        f"{len(runs):,} settings, {runs_each([len(own.seed_R) for own in runs.values()])}. Point: {point}. "
        f"Final return: {final_return_kind(design)}, of which this is the interquartile mean over the runs. "
        "Bar: 95 % interval (bootstrap; Wilson's for shares). Triangle: over a quarter of the runs failed."
    )
