"""What each combination of two flags' values came to."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from vecac.config_rules import flag
from vecac.studies.design import Design
from vecac.studies.figure_parts import WIDTH, finish, heading, new_figure, runs_each, title
from vecac.studies.sensitivity import (
    final_return_kind,
    known_estimate,
    label_categories,
    text_of,
    values_of,
)

MOST_NUMBERS = 20
"""Columns of a heat map that has its numbers written into it."""


def draw_heat_map(design: Design, summary: Mapping[str, Any]) -> Figure:
    """The final return, and the share solved, of each combination of two flags' values."""
    down, across = design.varied
    values = {name: values_of(design, name) for name in design.varied}
    shape = len(values[down]), len(values[across])
    kinds = {"final_return": "interquartile mean of the final return", "solved_share": "share of runs solved"}
    if summary["threshold"] is None:
        del kinds["solved_share"]
    size = min(14.0, max(WIDTH, len(kinds) * 0.62 * shape[1] + 1.5)), min(14.0, 1.3 + 0.36 * shape[0] + 0.4)
    figure = new_figure(max(2.2, size[1]), size[0])
    title(figure, heading(design, "all settings", len(design.settings), len(design.settings)))
    panels = figure.subplots(1, len(kinds), squeeze=False)[0]
    for axes, (kind, what) in zip(panels, kinds.items(), strict=True):
        cells = np.full(shape, math.nan)
        for entry in summary["settings"]:
            place = tuple(
                list(values[name]).index(text_of(name, entry["values"][name])) for name in design.varied
            )
            cells[place] = known_estimate(entry[kind]).value
        _draw_cells(axes, cells, is_share=kind == "solved_share")
        axes.set_title(what, fontsize=9)
        label_categories(axes, "x", list(values[across].values()), across)
        label_categories(axes, "y", list(values[down].values()), down)
        axes.set_xlabel(flag(across))
        axes.set_ylabel(flag(down))
    counts = [entry["runs"] for entry in summary["settings"]]
    note = f"{runs_each(counts).capitalize()}. Final return: {final_return_kind(design)}."
    return finish(figure, f"{note} A cross: more than a quarter of the runs failed.")


def _draw_cells(axes: Axes, cells: NDArray[np.float64], is_share: bool) -> None:
    limits = (0.0, 1.0) if is_share else (None, None)
    axes.grid(False)
    axes.set_facecolor("#dddddd")
    image = axes.imshow(cells, cmap="cividis", aspect="auto", vmin=limits[0], vmax=limits[1])
    assert axes.figure is not None
    axes.figure.colorbar(image, ax=axes, format=PercentFormatter(1, 0) if is_share else None)
    for side in axes.spines.values():
        side.set_visible(False)
    if cells.shape[1] > MOST_NUMBERS:
        return
    middle = sum(end or 0.0 for end in image.get_clim()) / 2
    for (row, column), number in np.ndenumerate(cells):
        colour = "white" if number <= middle else "black"
        axes.text(column, row, _brief(number, is_share), ha="center", va="center", color=colour, size=8)


def _brief(number: float, is_share: bool) -> str:
    """Three digits or so; a cross for NaN."""
    if math.isnan(number):
        return "\N{MULTIPLICATION SIGN}"
    if is_share:
        return f"{number:.0%}"
    digits = max(0, 2 - math.floor(math.log10(abs(number)))) if number else 0
    return f"{number:.{digits}f}" if digits < 5 and abs(number) < 1e6 else f"{number:.1e}"
