"""python benchmarks/time_to_solve.py --seeds 20: env steps and seconds until CartPole-v1 is solved.

Every seed is a run of vecac.train of its own, as a user would start it, which stops at the solved
threshold: a mean return of 475 over exactly the last 100 episodes.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
    write_record,
)

from vecac.config import Config
from vecac.config_rules import flag
from vecac.errors import UsageError
from vecac.shell.command_line import run_command

ENV_ID = "CartPole-v1"
TARGET_RETURN = 475.0


@dataclass(frozen=True)
class Options:
    """Train on CartPole-v1 with many seeds until it is solved; report how often and how fast."""

    seeds: int = 20
    """Seeds to run: 1 to this number."""
    trainer: Literal["vecac", "sb3-a2c", "sb3-ppo"] = "vecac"
    """Who trains: vecac, or Stable-Baselines3 with the settings that its Zoo tuned for CartPole-v1."""
    engine: Literal["sync", "async", "vector", "fused"] = "vector"
    """As in vecac.train."""
    num_envs: int = 16
    """As in vecac.train."""
    learning_rate: float = 2e-4
    """As in vecac.train."""
    max_steps: int = 1_000_000
    """Env steps after which a seed counts as not solved."""
    jobs: int = 1
    """Runs at a time; more than one slow each other down."""
    json: Path | None = None
    """File for the whole record: where and how it was measured, and every run."""

    def __post_init__(self) -> None:
        require_record_file(self.json)
        if self.trainer != "vecac" and find_spec("stable_baselines3") is None:
            raise UsageError(
                f"{flag('trainer')} {self.trainer} is not installed: "
                "pip install -c constraints.txt -e '.[peers]'"
            )
        for name in ("seeds", "jobs"):
            if getattr(self, name) < 1:
                raise UsageError(f"{flag(name)} must be 1 or more, not {getattr(self, name)}")
        Config(
            engine=self.engine,
            num_envs=self.num_envs,
            learning_rate=self.learning_rate,
            total_timesteps=self.max_steps,
        )


def run_seed(options: Options, seed: int) -> dict[str, Any]:
    """Train with one seed; returns when it was solved and what else the process took.

    process_seconds are those of the whole process; start_up_seconds are what of them is not training: the
    interpreter, the imports, making the environments, and the end of the process.
    """
    start = time.perf_counter()
    result = _run_vecac(options, seed) if options.trainer == "vecac" else _run_peer(options, seed)
    process_seconds = time.perf_counter() - start
    names = ("solved_at_env_steps", "solved_at_seconds", "env_steps", "seconds", "last_100_return_mean")
    run = {"seed": seed} | {name: result[name] for name in names}
    run["start_up_seconds"] = process_seconds - result["seconds"]
    run["process_seconds"] = process_seconds
    print(f"seed {seed}: solved at {run['solved_at_env_steps']} env steps", file=sys.stderr, flush=True)
    return run


def _run_vecac(options: Options, seed: int) -> dict[str, Any]:
    settings = {
        "env-id": ENV_ID,
        "target-return": TARGET_RETURN,
        "eval-episodes": 0,
        "engine": options.engine,
        "num-envs": options.num_envs,
        "learning-rate": options.learning_rate,
        "total-timesteps": options.max_steps,
        "seed": seed,
    }
    with tempfile.TemporaryDirectory() as log_dir:
        flags = [f"--{name}={value}" for name, value in settings.items()]
        command = [sys.executable, "-m", "vecac.train", "--quiet", f"--log-dir={log_dir}", *flags]
        # Standard output is this benchmark's own, whatever the run prints.
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (path,) = Path(log_dir).glob("*/result.json")
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def _run_peer(options: Options, seed: int) -> dict[str, Any]:
    algorithm = options.trainer.removeprefix("sb3-")
    result: dict[str, Any] = run_program("peer_sb3_solve.py", algorithm, seed, options.max_steps)
    return result


def describe_runs(options: Options, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All seeds as one JSON-ready row; the summaries of steps and seconds are over solved seeds only."""
    solved = [run for run in runs if run["solved_at_env_steps"] is not None]
    return {
        "name": f"{options.engine} {options.num_envs}, learning rate {options.learning_rate:g}"
        if options.trainer == "vecac"
        else options.trainer,
        "trainer": options.trainer,
        "engine": options.engine,
        "num_envs": options.num_envs,
        "learning_rate": options.learning_rate,
        "seeds": len(runs),
        "solved": len(solved),
        "env_steps_to_solve": summarize([run["solved_at_env_steps"] for run in solved]),
        "seconds_to_solve": summarize([run["solved_at_seconds"] for run in solved]),
        "start_up_seconds": summarize([run["start_up_seconds"] for run in runs]),
        "process_seconds": summarize([run["process_seconds"] for run in runs]),
        "runs": list(runs),
    }


def format_report(record: dict[str, Any]) -> str:
    """The table for people."""
    (row,) = record["rows"]
    lines = []
    for label, key, number_format in (
        ("env steps to solve", "env_steps_to_solve", ",.0f"),
        ("seconds to solve, from the first env step", "seconds_to_solve", ".2f"),
        ("process start-up and end, seconds", "start_up_seconds", ".2f"),
        ("the whole process, seconds", "process_seconds", ".2f"),
    ):
        summary = row[key] or dict.fromkeys(("median", "min", "max"))
        cells = ["-" if number is None else format(number, number_format) for number in summary.values()]
        lines.append([label, *cells])
    return "\n".join(
        [
            describe_place(record),
            "",
            format_table([row["name"], "median", "min", "max"], lines),
            f"solved: {row['solved']} of {row['seeds']} seeds, within {record['settings']['max_steps']:,} "
            "env steps",
        ]
    )


def _command(options: Options) -> int:
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = list(pool.map(lambda seed: run_seed(options, seed), range(1, options.seeds + 1)))
    measured_with = {"env_id": ENV_ID, "target_return": TARGET_RETURN}
    record = make_record("time_to_solve", options, measured_with, [describe_runs(options, runs)])
    print(format_report(record), flush=True)
    write_record(record, options.json)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(
        Options, "python benchmarks/time_to_solve.py", argv, lambda values: _command(Options(**values))
    )


if __name__ == "__main__":
    sys.exit(main())
