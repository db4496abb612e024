"""The figures of a study: how its settings learn, when they solve, what they come to, and what matters.

Shapes: R runs of one setting, G points of a curve.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vecac.studies import statistics
from vecac.studies.curves import learning_curve
from vecac.studies.design import Design
from vecac.studies.figure_parts import (
    COLOURS,
    MOST_SHOWN,
    band_alpha,
    count_env_steps,
    finish,
    floor_below,
    heading,
    label_of,
    mark_threshold,
    new_figure,
    runs_each,
    save,
    say_nothing_is_drawn,
    shade,
    show_shares,
    style,
)
from vecac.studies.findings import Runs
from vecac.studies.folder import StudyFolder
from vecac.studies.heat_map import draw_heat_map
from vecac.studies.sensitivity import draw_sensitivity, final_return_kind, is_grid

MOST_STEPS = 500
"""Of a line of steps: a file of a million could not be looked at."""

HEIGHT = 3.9
"""Of a figure, in inches, without what is below it."""

Array = NDArray[np.float64]


def draw_figures(study: StudyFolder, runs: dict[int, Runs], summary: Mapping[str, Any]) -> list[Path]:
    """Write every figure of the study into its folder, as .png and as .svg; equal runs give equal bytes.

    Raises:
        OSError: not all could be written; each file that is there is whole.
    """
    design = study.design
    with style():
        figures = {
            "learning_curves": draw_learning_curves(design, runs, summary),
            "final_returns": draw_final_returns(design, runs, summary),
        }
        if summary["threshold"] is not None:
            figures["env_steps_to_solve"] = draw_env_steps_to_solve(design, runs, summary)
        if design.varied:
            figures["sensitivity"] = draw_sensitivity(design, runs, summary)
        if len(design.varied) == 2 and is_grid(design):
            figures["heat_map"] = draw_heat_map(design, summary)
        return [path for name, figure in figures.items() for path in save(figure, study.path / f"{name}.svg")]


def draw_learning_curves(design: Design, runs: dict[int, Runs], summary: Mapping[str, Any]) -> Figure:
    """The interquartile mean of the runs over env steps with its band, and dashed the worst tenth of them."""
    figure, axes, settings = _begin(design, "learning curves", summary)
    curves = {setting: learning_curve(runs[setting], _total(design, setting)) for setting in settings}
    floor = floor_below([number for curve in curves.values() for number in curve[1:]])
    handles = []
    for setting, colour in zip(settings, COLOURS, strict=False):
        env_steps_G, value_G, low_G, high_G, worst_G = curves[setting]
        low_G = np.where(np.isneginf(low_G) & np.isfinite(high_G), floor, low_G)
        shade(axes, env_steps_G, low_G, high_G, colour, band_alpha(len(settings)))
        drawn = [np.where(np.isfinite(curve), curve, math.nan) for curve in (worst_G, value_G)]
        axes.plot(env_steps_G, drawn[0], "--", color=colour, linewidth=0.8, alpha=0.8)
        handles += axes.plot(env_steps_G, drawn[1], color=colour)
    labels = [label_of(design, setting) for setting in settings]
    if math.isfinite(floor):
        mark_threshold(axes, summary["threshold"])
    else:
        say_nothing_is_drawn(axes)
        axes.set_yticks([])
    count_env_steps(axes, max(_total(design, setting) for setting in settings))
    axes.set_ylabel("mean return of 100 episodes")
    note = (
        f"Line: interquartile mean of {_counted(runs, settings)}. Band: its 95 % bootstrap interval at each "
        "point. Dashed: mean of the worst tenth of the runs at each point (the worst run, of ten or fewer). "
        "A failed run counts as worse than any other from then on."
    )
    return finish(figure, note, handles, labels)


def draw_env_steps_to_solve(design: Design, runs: dict[int, Runs], summary: Mapping[str, Any]) -> Figure:
    """Kaplan and Meier's share of runs solved over env steps with its band; + where runs ended unsolved."""
    figure, axes, settings = _begin(design, "env steps to solve", summary)
    handles, most = [], max(_total(design, setting) for setting in settings)
    for setting, colour in zip(settings, COLOURS, strict=False):
        own = runs[setting]
        times, *shares = statistics.survival_steps(own.watched_R, own.is_solved_R)
        censored = np.unique(own.watched_R[~own.is_solved_R])
        share_then = shares[0][np.searchsorted(times, censored)]
        if own.is_solved_R.all() and times[-1] < most:  # no run is left to change it
            times, shares = np.append(times, most), [np.append(share, share[-1]) for share in shares]
        kept = _thinned(len(times))
        share, low, high = (share[kept] for share in shares)
        shade(axes, times[kept], low, high, colour, band_alpha(len(settings)), "post")
        handles += axes.plot(times[kept], share, color=colour, drawstyle="steps-post")
        kept = _thinned(len(censored))
        if len(kept):  # an empty line that is not clipped would make the layout collapse
            (marks,) = axes.plot(
                censored[kept], share_then[kept], "+", color=colour, markersize=8, clip_on=False, zorder=3
            )
            marks.set_in_layout(False)
    labels = [
        label_of(design, setting, f" ({runs[setting].is_solved_R.sum()} of {len(runs[setting].seed_R)})")
        for setting in settings
    ]
    count_env_steps(axes, most)
    show_shares(axes, "share of runs solved")
    note = (
        f"Solved: the mean return of 100 episodes has reached {summary['threshold']:g}. Line: Kaplan-Meier "
        f"estimate from {_counted(runs, settings)}; +: runs that ended unsolved. "
        "Band: 95 %, at each point. In brackets: runs solved."
    )
    return finish(figure, note, handles, labels)


def draw_final_returns(design: Design, runs: dict[int, Runs], summary: Mapping[str, Any]) -> Figure:
    """The share of runs whose final return is at least x, against x, with its pointwise band."""
    figure, axes, settings = _begin(design, "final returns", summary)
    finals = np.concatenate([runs[setting].final_return_R for setting in settings])
    known = finals[np.isfinite(finals)]
    ends = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    margin = 0.03 * (ends[1] - ends[0]) or 0.03 * (abs(ends[1]) or 1.0)
    ends = ends[0] - margin, ends[1] + margin
    handles = []
    for setting, colour in zip(settings, COLOURS, strict=False):
        returns, share, low, high = performance_profile(runs[setting].final_return_R, *ends)
        shade(axes, returns, low, high, colour, band_alpha(len(settings)), "pre")
        handles += axes.plot(returns, share, color=colour, drawstyle="steps-pre")
    if not len(known):
        say_nothing_is_drawn(axes)
        axes.set_xticks([])
    axes.set_xlim(*ends)
    axes.set_xlabel(f"x: final return ({final_return_kind(design)})")
    show_shares(axes, "share of runs that reach x")
    note = (
        f"Line: share of {_counted(runs, settings)} whose final return is x or more; a failed run reaches no "
        "x. Band: Wilson's 95 % interval at each x."
    )
    return finish(figure, note, handles, [label_of(design, setting) for setting in settings])


def performance_profile(final_R: Array, left: float, right: float) -> tuple[Array, Array, Array, Array]:
    """The share of runs that come to x or more, and its interval: (x, share, low, high).

    Steps for where="pre", from left, which all finite returns are above, to right, which they are below.
    """
    returns = np.unique(final_R[np.isfinite(final_R)])
    returns = returns[_thinned(len(returns))]
    counts = [int((final_R >= number).sum()) for number in returns]
    finite = int(np.isfinite(final_R).sum())
    shares = [statistics.proportion(count, len(final_R)) for count in (finite, *counts, 0)]
    share, low, high = np.array(shares).T
    return np.array([left, *returns, right]), share, low, high


def _begin(design: Design, what: str, summary: Mapping[str, Any]) -> tuple[Figure, Axes, list[int]]:
    """A figure with axes, and the numbers of the settings that belong there, best first."""
    figure, ranking = new_figure(HEIGHT), summary["ranking"]
    settings = ranking[:MOST_SHOWN]
    axes = figure.subplots()
    axes.set_title(heading(design, what, len(settings), len(ranking)))
    return figure, axes, settings


def _total(design: Design, setting: int) -> int:
    return design.config(setting, design.base.seed).total_timesteps


def _counted(runs: dict[int, Runs], settings: Sequence[int]) -> str:
    return runs_each([len(runs[setting].seed_R) for setting in settings])


def _thinned(count: int) -> NDArray[np.int64]:
    """Places of at most MOST_STEPS of so many, the first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_STEPS)).round().astype(np.int64))
