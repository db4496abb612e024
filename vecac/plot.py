"""python -m vecac.plot RUN ...: draw the curves of runs, or of groups of them with a band.

Whatever loads scipy or matplotlib is imported inside the functions: --help need not wait for it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from vecac.config import ALIASES, require_fields
from vecac.errors import UsageError
from vecac.extras import require_extras
from vecac.recording.meanings import METRICS
from vecac.shell.command_line import run_command
from vecac.spelling import nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WITHOUT_DISPLAY = Path("curves.png")
"""What is written where no window can be opened."""


@dataclass(frozen=True)
class PlotOptions:
    """Draw a metric of runs, a line each, or of groups of runs, a line with a band each."""

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional] = (Path("logs"),)
    """Run folders, or folders with run folders in them."""
    x: Literal["env_steps", "seconds"] = "env_steps"
    """What the curves go over."""
    y: str = "rollout/ep_rew_mean"
    """Metric, by its name in progress.csv and TensorBoard."""
    group_by: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Flag of vecac.train by whose values runs form groups; given twice, by the values of both."""
    out: Path | None = None
    """File to write, .png, .svg or .pdf; left out, a window opens."""


def plot(options: PlotOptions) -> "Figure":
    """The figure that the options ask for.

    Raises:
        UsageError: there is no such metric or flag, no run, or nothing to draw.
    """
    from vecac.studies.run_curves import group_curves, read_curves
    from vecac.studies.run_figures import LOOKS, draw_groups, draw_runs

    _require_metric(options.y)
    fields = [_field(name) for name in options.group_by]
    curves = read_curves(options.runs, options.x, options.y)
    if not fields:
        return draw_runs(curves, options.x, options.y)
    groups = group_curves(curves, options.y, fields)
    if len(groups) > len(LOOKS):
        raise UsageError(
            f"--group-by {' '.join(options.group_by)} makes {len(groups):,} groups, of which {len(LOOKS)} "
            "can be told apart: name fewer runs, or group them by something else"
        )
    return draw_groups(groups, options.x, options.y, fields)


def _require_metric(y: str) -> None:
    if y not in METRICS:
        meant = nearest(y, METRICS)
        remedy = f"did you mean {meant}?" if meant else f"there are {', '.join(METRICS)}"
        raise UsageError(f"--y {y} is no metric: {remedy}")


def _field(name: str) -> str:
    """The field of Config that a name means, with dashes or without, or a second name."""
    field = name.strip().lstrip("-").replace("-", "_")
    field = ALIASES.get(field, field)
    try:
        require_fields([field])
    except UsageError as error:
        shown = "whose --help shows them all"
        raise UsageError(f"--group-by {name} is no flag of vecac.train, {shown}: {error}") from error
    return field


def _command(values: dict[str, Any]) -> int:
    options = PlotOptions(**values)
    require_extras("study")
    from vecac.studies.figure_parts import FORMATS, save_as, style
    from vecac.studies.run_figures import show

    if options.out is not None and options.out.suffix.lower() not in FORMATS:
        raise UsageError(
            f"--out {options.out} is none of {', '.join(FORMATS)}: give it one of these suffixes"
        )
    with style():
        figure = plot(options)
        if options.out is None and show(figure):
            return 0
        path = options.out or WITHOUT_DISPLAY
        try:
            save_as(figure, path)
        except OSError as error:
            raise UsageError(
                f"--out {path} cannot be written: {error.strerror}; name another file"
            ) from error
    missing = "there is no display for a window: " if options.out is None else ""
    print(f"{missing}the curves are in {path.resolve() if missing else path}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(PlotOptions, "python -m vecac.plot", argv, _command)


if __name__ == "__main__":
    sys.exit(main())
