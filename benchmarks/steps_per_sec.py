"""python benchmarks/steps_per_sec.py: env steps a second, beside the notebook's on the same machine.

Every row is timed in several short windows, and rows that are compared take turns: a shared machine's
speed drifts, so only ratios of neighbouring windows mean something. Whatever loads torch is imported
inside the functions, as in vecac.train.
"""

import math
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from record import describe_place, format_table, make_record, require_record_file, write_record

from vecac.config_rules import flag
from vecac.errors import UsageError
from vecac.shell.command_line import run_command

if TYPE_CHECKING:
    from rows import Group

ROUNDS = 5
"""Windows of every row that count; one more before them warms up."""

SECONDS_IN_ALL = 85.0
"""What all windows together take, unless --seconds says how long one is or single rollouts are longer."""

SECONDS_LIMIT = 140.0
"""Rounds are left out beyond this, so that a busy machine ends in time too; not with --seconds."""

NUM_ENVS: dict[str, tuple[int, ...]] = {
    "sync": (1, 16, 64, 256),
    "vector": (1, 16, 64, 256, 4096),
    "async": (16,),
    "fused": (1, 16, 256, 4096),
}

ALL_NUM_ENVS: dict[str, tuple[int, ...]] = {
    "sync": (1, 16, 64, 256, 4096),
    "vector": (1, 16, 64, 256, 4096, 65_536),
    "async": (16,),
    "fused": (1, 16, 64, 256, 4096, 65_536),
}
"""With --all."""

CEILING_NUM_ENVS = 16
"""The fused row, on one thread, that is set against what the machine could multiply and add."""

SLOW_ENVIRONMENTS = (("slow_environments:BurnsCpu-v0", 4), ("slow_environments:Waits-v0", 16))

COMPARED = {
    "ratio_to_sync": "sync",
    "ratio_to_torch": "training by torch",
    "ratio_to_one_thread": "one thread",
}
"""Ratios that get a line below the table."""

NO_CUDA = "cuda: not measured (no CUDA device)"


@dataclass(frozen=True)
class Options:
    """Measure env steps a second of environments, collecting and training, beside the notebook's."""

    engines: tuple[Literal["sync", "vector", "async", "fused"], ...] = ("sync", "vector", "async", "fused")
    """Engines to measure; sync and async together also bring the slow environments."""
    num_envs: tuple[int, ...] = ()
    """Numbers of environments, for every engine; left out, each engine has its own."""
    all: bool = False
    """The long table, up to 65,536 environments."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to learn: auto is the CPU, and CUDA too where there is a device."""
    seconds: float | None = None
    """Length of a window; left out, all windows share 85 seconds."""
    json: Path | None = None
    """File for the whole record: where and how it was measured, and every window."""

    def __post_init__(self) -> None:
        require_record_file(self.json)
        if not self.engines:
            raise UsageError(f"{flag('engines')} must name at least one engine")
        if self.seconds is not None and not self.seconds > 0:
            raise UsageError(f"{flag('seconds')} must be greater than 0, not {self.seconds}")


def choose_devices(requested: str) -> list[str]:
    """Where to learn, of what there is; CUDA that is asked for in vain warns, as in training."""
    import torch

    from vecac.engines.hardware import resolve_device

    if requested == "auto":
        return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    return [resolve_device(requested).type]


def make_groups(options: Options, devices: Sequence[str], stack: ExitStack) -> "list[Group]":
    """Everything that will be timed, made once; the stack closes it."""
    from notebook import Notebook
    from rows import cartpole_group, fused_group, slow_group

    notebook = stack.enter_context(closing(Notebook()))
    sizes = ALL_NUM_ENVS if options.all else NUM_ENVS
    groups = [
        fused_group(num_envs, notebook, stack)
        if engine == "fused"
        else cartpole_group(engine, num_envs, devices, notebook, stack)
        for engine in dict.fromkeys(options.engines)
        for num_envs in options.num_envs or sizes[engine]
    ]
    if {"sync", "async"} <= set(options.engines):
        groups += [slow_group(env_id, num_envs, stack) for env_id, num_envs in SLOW_ENVIRONMENTS]
    return groups


def format_report(record: dict[str, Any]) -> str:
    """The table for people, and how to read it."""
    header = ["env steps a second", "median", "min", "max", "x notebook", "of environments alone"]
    lines = []
    for row in record["rows"]:
        rates = [f"{row[key]:,.0f}" for key in ("median", "min", "max")]
        to_notebook, to_alone = row["ratio_to_notebook"], row["ratio_to_environments_alone"]
        ratios = [f"{to_notebook['median']:,.2f}" if to_notebook else ""]
        ratios += [f"{to_alone['median']:.1%}" if to_alone else ""]
        lines.append([row["name"], *rates, *ratios])
    settings = record["settings"]
    wins = [
        f"{row['name']}: {row[key]['median']:.2f} times {other} "
        f"({row[key]['min']:.2f} to {row[key]['max']:.2f})"
        for key, other in COMPARED.items()
        for row in record["rows"]
        if row[key]
    ]
    return "\n".join(
        [
            describe_place(record),
            f"{settings['rounds']} windows of {settings['seconds']:.2f} s a row; valid transitions only; "
            "ratios are medians over neighbouring windows",
            "",
            format_table(header, lines),
            *(["", *wins] if wins else []),
            *record["notes"],
        ]
    )


def _command(options: Options) -> int:
    from ceiling import describe_ceiling
    from rows import describe_rows, measure_rounds

    devices = choose_devices(options.device)
    with ExitStack() as stack:
        groups = make_groups(options, devices, stack)
        num_windows = (ROUNDS + 1) * sum(len(group) for group in groups)
        seconds = options.seconds or SECONDS_IN_ALL / num_windows
        about = f"{num_windows} windows of {seconds:.2f} s: {num_windows * seconds:.0f} s and some more"
        print(about, file=sys.stderr, flush=True)
        limit = math.inf if options.seconds else SECONDS_LIMIT
        rounds = measure_rounds(groups, ROUNDS, seconds, limit)
    rows = describe_rows(groups)
    measured_with = {"devices": devices, "seconds": seconds, "rounds": rounds}
    notes = [NO_CUDA] if "cuda" not in devices and options.device != "cpu" else []
    fused = next(
        (row for row in rows if row["engine"] == "fused" and row["num_envs"] == CEILING_NUM_ENVS), None
    )
    if fused is not None:
        notes.append(describe_ceiling(fused["name"], fused["median"]))
    record = make_record("steps_per_sec", options, measured_with, rows, notes)
    print(format_report(record), flush=True)
    write_record(record, options.json)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(
        Options, "python benchmarks/steps_per_sec.py", argv, lambda values: _command(Options(**values))
    )


if __name__ == "__main__":
    sys.exit(main())
