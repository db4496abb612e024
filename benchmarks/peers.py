"""python benchmarks/peers.py: vecac's fused engine beside what else can be installed with pip.

Every measurement is a process of its own, one after the other, so that no package's threads disturb
another's. Those that are compared, of one number of environments, stand next to each other in every
round, since a shared machine's speed drifts; a ratio is the median of the rounds' ratios.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from processes import run_program
from record import (
    describe_place,
    format_table,
    make_record,
    require_record_file,
    summarize,
    usable_cores,
    write_record,
)
from windows import ENVIRONMENTS, TRAINING

from vecac.config_rules import flag
from vecac.errors import UsageError
from vecac.shell.command_line import run_command

FUSED = "fused"
NOT_INSTALLED = "not installed (pip install -c constraints.txt -e '.[peers]')"
FAILED = "failed (its error is above)"

SECONDS_LIMIT = 300.0
"""A process that takes longer than its window and this has failed; compiling can take half a minute."""

START_UP_SECONDS = 6.0
"""About what a process takes besides its window, for the estimate of the whole."""

PACKAGES = ("numba", "stable-baselines3", "jax", "gymnax", "envpool")


@dataclass(frozen=True)
class Peer:
    """Something to compare with.

    modules: what it needs besides vecac's own packages. threads: it is timed on one, on as many as there
    are cores, as the fused engine is, or on each in turn where more need not be faster.
    """

    label: str
    what: str
    modules: tuple[str, ...]
    num_envs: tuple[int, ...]
    threads: tuple[Literal["one", "all"], ...]

    @property
    def installed(self) -> bool:
        """Whether every module is there, without importing any."""
        return all(find_spec(module) is not None for module in self.modules)


JAX_MODULES = ("jax", "gymnax", "optax", "six")

PEERS: dict[str, Peer] = {
    "sb3": Peer("Stable-Baselines3 A2C", TRAINING, ("stable_baselines3",), (1, 16, 256), ("one", "all")),
    "jax-grad": Peer("JAX on gymnax, jax.grad", TRAINING, JAX_MODULES, (16, 256, 4096), ("all",)),
    "jax": Peer("JAX on gymnax, one pass by hand", TRAINING, JAX_MODULES, (16, 256, 4096), ("all",)),
    "gymnasium-sync": Peer("Gymnasium SyncVectorEnv", ENVIRONMENTS, (), (16, 256, 4096), ("one",)),
    "gymnasium-vector": Peer("Gymnasium CartPoleVectorEnv", ENVIRONMENTS, (), (16, 256, 4096), ("one",)),
    "envpool": Peer("EnvPool", ENVIRONMENTS, ("envpool",), (16, 256, 4096), ("all",)),
}


@dataclass(frozen=True)
class Options:
    """Measure env steps a second of vecac's fused engine and of other packages on CartPole-v1."""

    peers: tuple[Literal["sb3", "jax-grad", "jax", "gymnasium-sync", "gymnasium-vector", "envpool"], ...] = (
        "sb3",
        "jax-grad",
        "jax",
        "gymnasium-sync",
        "gymnasium-vector",
        "envpool",
    )
    """What to compare with."""
    num_envs: tuple[int, ...] = ()
    """Numbers of environments, for every peer; left out, each peer has its own."""
    seconds: float = 3.0
    """Length of a window."""
    rounds: int = 3
    """Windows of every row."""
    json: Path | None = None
    """File for the whole record: where and how it was measured, and every window."""

    def __post_init__(self) -> None:
        require_record_file(self.json)
        if not self.peers:
            raise UsageError(f"{flag('peers')} must name at least one peer")
        if any(num_envs < 1 for num_envs in self.num_envs):
            raise UsageError(f"{flag('num_envs')} must be 1 or more, not {min(self.num_envs)}")
        if not self.seconds > 0:
            raise UsageError(f"{flag('seconds')} must be greater than 0, not {self.seconds}")
        if self.rounds < 1:
            raise UsageError(f"{flag('rounds')} must be 1 or more, not {self.rounds}")


@dataclass
class Row:
    """One line of the table; `windows` are env steps a second, one a round, None where it failed."""

    contestant: str
    what: str
    num_envs: int
    num_threads: int
    status: str = "measured"
    windows: list[float | None] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Unique within a run of the benchmark."""
        label = "vecac fused" if self.contestant == FUSED else PEERS[self.contestant].label
        return f"{label} {self.num_envs}, {self.what}, {_threads(self.num_threads)}"


def make_rows(options: Options, cores: int) -> list[Row]:
    """Rows of one number of environments stand together: vecac on one thread and on all, then the peers."""
    chosen = {name: options.num_envs or PEERS[name].num_envs for name in dict.fromkeys(options.peers)}
    rows = []
    for num_envs in sorted({size for sizes in chosen.values() for size in sizes}):
        rows += [Row(FUSED, TRAINING, num_envs, threads) for threads in sorted({1, cores})]
        for name in (name for name, sizes in chosen.items() if num_envs in sizes):
            peer = PEERS[name]
            status = "measured" if peer.installed else NOT_INSTALLED
            counts = sorted({cores if threads == "all" else 1 for threads in peer.threads})
            rows += [Row(name, peer.what, num_envs, count, status) for count in counts]
    return rows


def measure_row(row: Row, seconds: float) -> float | None:
    """Env steps a second of one window in a process of its own; None, and its error shown, if it fails."""
    arguments = (row.contestant, row.num_envs, row.num_threads, seconds)
    try:
        window = run_program("peer_process.py", *arguments, seconds=seconds + SECONDS_LIMIT)
    except subprocess.CalledProcessError as error:
        print(f"{row.name}: {error.stderr.strip()}", file=sys.stderr, flush=True)
        return None
    except subprocess.TimeoutExpired as error:
        print(f"{row.name}: took more than {error.timeout:.0f} seconds", file=sys.stderr, flush=True)
        return None
    rate: float = window["env_steps_per_s"]
    return rate


def measure_rounds(rows: Sequence[Row], rounds: int, seconds: float) -> None:
    """A window of every installed row in every round; one that fails once is not tried again."""
    for _ in range(rounds):
        for row in rows:
            row.windows.append(measure_row(row, seconds) if row.status == "measured" else None)
            if row.status == "measured" and row.windows[-1] is None:
                row.status = FAILED


def describe_row(row: Row, rows: Sequence[Row]) -> dict[str, Any]:
    """A row and how many times faster vecac is, by vecac's number of threads: medians over the rounds."""
    ratios = {}
    for fused in rows:
        if fused.contestant == FUSED and fused.num_envs == row.num_envs and row.contestant != FUSED:
            pairs = zip(fused.windows, row.windows, strict=True)
            ratios[str(fused.num_threads)] = summarize([ours / its for ours, its in pairs if ours and its])
    return {
        "name": row.name,
        "contestant": row.contestant,
        "what": row.what,
        "num_envs": row.num_envs,
        "num_threads": row.num_threads,
        "status": row.status,
        **(summarize([window for window in row.windows if window]) or {}),
        "ratio_fused_to_it": ratios,
        "windows": row.windows,
    }


def format_report(record: dict[str, Any]) -> str:
    """The table for people, and how to read it."""
    settings = record["settings"]
    threads = [str(count) for count in sorted({1, settings["cores"]})]
    header = ["env steps a second", "median", "min", "max"]
    header += [f"fused, {_threads(int(count))} / it" for count in threads]
    lines, notes = [], []
    for row in record["rows"]:
        rates = [f"{row[key]:,.0f}" if key in row else "-" for key in ("median", "min", "max")]
        ratios = [row["ratio_fused_to_it"].get(count) for count in threads]
        lines.append([row["name"], *rates, *(f"{ratio['median']:.2f}" if ratio else "" for ratio in ratios)])
        if row["status"] != "measured":
            notes.append(f"{row['name']}: {row['status']}")
    return "\n".join(
        [
            describe_place(record),
            f"{settings['rounds']} windows of {settings['seconds']:g} s a row, each a process of its own; "
            "valid transitions only; ratios are medians over the rounds",
            "`/ it` is vecac's training over the row, also where the row is environments alone",
            "",
            format_table(header, lines),
            *(["", *notes] if notes else []),
        ]
    )


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _command(options: Options) -> int:
    cores = usable_cores()
    rows = make_rows(options, cores)
    count = options.rounds * sum(row.status == "measured" for row in rows)
    about = f"{count} processes of {options.seconds:g} s and their start: about "
    about += f"{count * (options.seconds + START_UP_SECONDS) / 60:.0f} minutes"
    print(about, file=sys.stderr, flush=True)
    measure_rounds(rows, options.rounds, options.seconds)
    record = make_record("peers", options, {"cores": cores}, [describe_row(row, rows) for row in rows])
    record["versions"] |= _versions()
    print(format_report(record), flush=True)
    write_record(record, options.json)
    return int(any(row.status == FAILED for row in rows))


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(
        Options, "python benchmarks/peers.py", argv, lambda values: _command(Options(**values))
    )


if __name__ == "__main__":
    sys.exit(main())
