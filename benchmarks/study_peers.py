"""python benchmarks/study_peers.py: a study of a thousand seeds beside training alone, and beside JAX.

A study is timed as its user waits for it, from the command to its last figure. Beside it stand, in the same
rounds, the fused engine training 4,096 copies by all cores, and the same algorithm in JAX on gymnax with
jax.vmap over seeds, by hand in one pass and by jax.grad, each training alone. A ratio is the median of the
rounds' ratios.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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

from vecac.config_rules import flag
from vecac.errors import UsageError
from vecac.shell.command_line import run_command

NUM_ENVS = 16
"""Copies of each seed: the default's."""

JAX_SEEDS = (16, 128)
"""Seeds that JAX trains at once, of which the faster number counts."""

SHORT_STEPS = 20_000
"""Env steps of the runs after which a worker's memory is looked at: what grows, grows with runs."""


@dataclass(frozen=True)
class Options:
    """Time a study of the defaults with many seeds beside what else trains many."""

    seeds: int = 1000
    """Runs of the study."""
    total_timesteps: int = 500_000
    """Env steps of each."""
    rounds: int = 3
    """How often all are timed, in turn."""
    seconds: float = 5.0
    """Window of those that train alone."""
    json: Path | None = None
    """File for the whole record: where and how it was measured, and every number."""

    def __post_init__(self) -> None:
        require_record_file(self.json)
        for name in ("seeds", "total_timesteps", "rounds", "seconds"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{flag(name)} must be greater than 0, not {getattr(self, name)}")


@contextmanager
def running_study(*flags: object) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """A study in a process of its own, and the folder that its own will be in."""
    with tempfile.TemporaryDirectory() as log_dir:
        command = [sys.executable, "-m", "vecac.study", "--quiet", "--log-dir", log_dir, *map(str, flags)]
        with subprocess.Popen(command) as process:
            try:
                yield process, Path(log_dir)
            finally:
                process.terminate()


def count_rows(logs: Path) -> int:
    """Runs that are on disk."""
    return sum(path.read_bytes().count(b"\n") - 1 for path in logs.glob("study__*/runs.csv"))


def time_study(options: Options) -> dict[str, float]:
    """Env steps a second of a whole study, and the seconds to its first run's row and to its end."""
    start = time.perf_counter()
    flags = "--seeds", options.seeds, "--total-timesteps", options.total_timesteps
    with running_study(*flags) as (process, logs):
        while count_rows(logs) < 1 and process.poll() is None:
            time.sleep(0.02)
        first_row = time.perf_counter() - start
        if process.wait() != 0:
            raise RuntimeError(f"the study failed (exit code {process.returncode})")
        seconds = time.perf_counter() - start
        return {
            "env_steps_per_s": options.seeds * options.total_timesteps / seconds,
            "seconds": seconds,
            "first_row_seconds": first_row,
        }


def worker_memory(runs: int) -> dict[str, float]:
    """Resident MB of a study's only worker after 10 runs, and after `runs`."""
    flags = "--workers", 1, "--seeds", 2 * runs, "--total-timesteps", SHORT_STEPS
    with running_study(*flags) as (process, logs):
        found = []
        for wanted in (10, runs):
            while count_rows(logs) < wanted:
                if process.poll() is not None:
                    raise RuntimeError("the study ended early")
                time.sleep(0.05)
            found.append(max(map(resident_megabytes, descendants(process.pid))))
        return {"after_10_runs": found[0], f"after_{runs}_runs": found[1], "ratio": found[1] / found[0]}


def descendants(pid: int) -> list[int]:
    """Processes that a process has started, and those that they have."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [one for child in map(int, children) for one in (child, *descendants(child))]


def resident_megabytes(pid: int) -> float:
    """Physical memory of a process, with what it shares."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(options: Options) -> list[dict[str, Any]]:
    """A row a contestant, with every round's numbers and the study's ratio to it."""
    cores = usable_cores()
    rounds: dict[str, list[float]] = {}
    studies = []
    for _ in range(options.rounds):
        studies.append(time_study(options))
        rounds.setdefault("vecac.study", []).append(studies[-1]["env_steps_per_s"])
        alone = run_program("peer_process.py", "fused", 4096, cores, options.seconds)
        rounds.setdefault("fused, 4,096 copies, training alone", []).append(alone["env_steps_per_s"])
        for kind, label in (("one-pass", "JAX, one pass"), ("grad", "JAX, jax.grad")):
            if find_spec("gymnax") is not None:
                rounds.setdefault(f"{label}, training alone", []).append(
                    time_jax(kind, cores, options.seconds)
                )
    ours = rounds["vecac.study"]
    rows: list[dict[str, Any]] = []
    for name, numbers in rounds.items():
        ratio = statistics.median(mine / other for mine, other in zip(ours, numbers, strict=True))
        rows.append({"name": name, **(summarize(numbers) or {}), "rounds": numbers, "study_ratio": ratio})
    rows[0]["studies"] = studies
    rows[0]["worker_megabytes"] = worker_memory(options.seeds)
    return rows


def time_jax(kind: str, cores: int, seconds: float) -> float:
    """Env steps a second with the number of seeds at once that is the fastest."""
    arguments = ((kind, seeds, NUM_ENVS, cores, seconds) for seeds in JAX_SEEDS)
    return max(run_program("peer_jax_study.py", *each)["env_steps_per_s"] for each in arguments)


def format_report(record: dict[str, Any]) -> str:
    """The table for people."""
    rows = record["rows"]
    lines = [
        [
            row["name"],
            f"{row['median']:,.0f}",
            f"{row['min']:,.0f}",
            f"{row['max']:,.0f}",
            f"{row['study_ratio']:.2f}",
        ]
        for row in rows
    ]
    study = rows[0]
    first = statistics.median(each["first_row_seconds"] for each in study["studies"])
    memory = ", ".join(
        f"{name.replace('_', ' ')} {value:.2f}" for name, value in study["worker_megabytes"].items()
    )
    return "\n".join(
        [
            describe_place(record),
            "",
            format_table(["env steps a second", "median", "min", "max", "study / it"], lines),
            f"the first run's row is on disk {first:.1f} s after the command; a worker's MB: {memory}",
        ]
    )


def _command(options: Options) -> int:
    record = make_record("study_peers", options, {"num_envs": NUM_ENVS}, measure(options))
    print(format_report(record), flush=True)
    write_record(record, options.json)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(
        Options, "python benchmarks/study_peers.py", argv, lambda values: _command(Options(**values))
    )


if __name__ == "__main__":
    sys.exit(main())
