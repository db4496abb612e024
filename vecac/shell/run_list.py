"""Runs in a list at the terminal: which are shown, in which order, as a table or as JSON."""

import json
import math
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from vecac.runs.listing import RunEntry, State, describe, find_runs
from vecac.shell.command_line import run_command

Column = Literal[
    "started",
    "run_dir",
    "env_id",
    "run_name",
    "seed",
    "state",
    "env_steps",
    "last_100_return_mean",
    "solved_at_env_steps",
    "eval_return_mean",
    "eval_return_std",
]

DISPENSABLE = ("run", "environment", "seed", "solved at", "env steps", "last 100")
"""Columns that a narrow terminal is spared, in this order; the first three are in the folder's name."""


@dataclass(frozen=True)
class ListOptions:
    """List the runs in a folder: which are running, how far they are, and what they came to."""

    logs: Annotated[Path, tyro.conf.Positional] = Path("logs")
    """Folder with run folders in it, as --log-dir of vecac.train."""
    env_id: str | None = None
    """Runs in this environment alone."""
    state: State | None = None
    """Runs of this state alone: running, ended as result.json says, dead (killed before its end), damaged."""
    sort: Column = "started"
    """Order, from the lowest on, what is not known last; of started, the newest is first."""
    reverse: bool = False
    """The other way round."""
    json: bool = False
    """Print one JSON list of objects."""


def list_runs(options: ListOptions) -> list[RunEntry]:
    """The runs that the options ask for, in their order.

    Raises:
        UsageError: the folder cannot be read, or is none.
    """
    entries = [describe(run_dir) for run_dir in find_runs(options.logs)]
    wanted = {name: value for name in ("env_id", "state") if (value := getattr(options, name)) is not None}
    entries = [
        entry for entry in entries if all(getattr(entry, name) == value for name, value in wanted.items())
    ]
    known = [entry for entry in entries if getattr(entry, options.sort) is not None]
    known.sort(
        key=lambda entry: getattr(entry, options.sort),
        reverse=options.reverse != (options.sort == "started"),
    )
    return known + [entry for entry in entries if getattr(entry, options.sort) is None]


def table(entries: Sequence[RunEntry], logs: Path, width: float = math.inf) -> list[str]:
    """Lines of at most so many characters, if that can be: what a run can do without is left out then."""
    # Here, as it brings Gymnasium, for which --help and --json need not wait.
    from vecac.studies.report import format_table

    columns = _columns(entries, logs)
    for name in ("", *DISPENSABLE):
        columns.pop(name, None)
        lines = format_table(list(columns), list(zip(*columns.values(), strict=True)))
        if len(lines[0]) <= width:
            break
    return lines


def _columns(entries: Sequence[RunEntry], logs: Path) -> dict[str, list[str]]:
    """By header."""
    from vecac.studies.report import number

    return {
        "run folder": [_name(entry, logs) for entry in entries],
        "environment": [_plain(entry.env_id) for entry in entries],
        "run": [_plain(entry.run_name) for entry in entries],
        "seed": [_plain(entry.seed) for entry in entries],
        "state": [entry.state.replace("_", " ") for entry in entries],
        "env steps": [number(entry.env_steps) for entry in entries],
        "last 100": [number(entry.last_100_return_mean) for entry in entries],
        "solved at": [number(entry.solved_at_env_steps) for entry in entries],
        "evaluated": [
            "-"
            if entry.eval_return_mean is None
            else f"{number(entry.eval_return_mean)} +- {number(entry.eval_return_std)}"
            for entry in entries
        ],
    }


def _name(entry: RunEntry, logs: Path) -> str:
    """Of its folder, as it stands behind that of the logs."""
    is_itself = entry.run_dir == logs
    return _plain(entry.run_dir if is_itself else entry.run_dir.relative_to(logs))


def _plain(value: object) -> str:
    """A value on a line of a terminal, whatever a file says."""
    return "-" if value is None else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value))


def _command(values: dict[str, Any]) -> int:
    options = ListOptions(**values)
    entries = list_runs(options)
    if options.json:
        print(json.dumps([entry.to_dict() for entry in entries]))
        return 0
    if not entries:
        which = "" if options.env_id is None else f" of {_plain(options.env_id)}"
        which += "" if options.state is None else f" that is {options.state}"
        print(f"{options.logs} has no run{which}")
        return 0
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else math.inf
    print("\n".join(table(entries, options.logs, width)))
    for entry in entries:
        if entry.state == "damaged":
            print(f"{_name(entry, options.logs)}: {_plain(entry.error)}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(ListOptions, "python -m vecac.runs", argv, _command)
