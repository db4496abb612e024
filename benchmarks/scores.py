"""python benchmarks/scores.py --envs Pendulum-v1 --seeds 5: what shipped settings reach, beside a peer.

Each seed is a process of its own, on one thread: vecac.train with `--settings ENV_ID`, and
Stable-Baselines3 with the settings of its Zoo (`zoo.py`), for as many env steps, in turn, so that both meet
the same load. Beside A2C: greedy returns of the last parameters over 100 episodes, and the env steps and
seconds until the mean of 100 episodes in training reaches the Zoo's score. Beside PPO (`--against ppo`): the
seconds that each takes to a mean of 100 episodes in training.
"""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any, Literal

from processes import run_program
from record import describe_place, format_table, make_record, require_record_file, usable_cores, write_record
from score_rows import AGAINST_PPO, TASKS, Task, cells, summarize_task

from vecac.config_rules import flag
from vecac.errors import UsageError
from vecac.shell.command_line import run_command

POINTS = 50
"""Of a curve in a record."""


@dataclass(frozen=True)
class Options:
    """Train with vecac's shipped settings and with a peer's in the same environments; report both."""

    envs: tuple[str, ...] = ()
    """Environments, or tasks as tables name them ("LunarLander-v3, 3 M"); left out, all that there are."""
    seeds: int = 5
    """How many seeds of each."""
    seed: int = 1
    """The first of them; a series that takes too long can be measured in parts."""
    against: Literal["a2c", "ppo", "nobody"] = "a2c"
    """Whom of Stable-Baselines3 to put beside vecac; with ppo, the time to a score is measured."""
    jobs: int = 0
    """Runs at a time, each on one thread; 0 is as many as there are cores."""
    json: Path | None = None
    """File for the whole record: where and how it was measured, and every run; written after each seed."""

    def __post_init__(self) -> None:
        require_record_file(self.json)
        for name, least in (("seeds", 1), ("seed", 1), ("jobs", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{flag(name)} must be {least} or more, not {getattr(self, name)}")
        known = {name for task in _tasks_against(self.against) for name in (task.env_id, task.name)}
        for env_id in self.envs:
            if env_id not in known:
                raise UsageError(f"--envs {env_id} is none of {'; '.join(sorted(known))}")
        if self.against != "nobody" and find_spec("stable_baselines3") is None:
            raise UsageError(
                "stable_baselines3 is not installed: pip install -c constraints.txt -e '.[peers,envs]'"
            )

    @property
    def tasks(self) -> list[Task]:
        """What is to be trained."""
        tasks = _tasks_against(self.against)
        return [task for task in tasks if not self.envs or {task.env_id, task.name} & set(self.envs)]


def _tasks_against(peer: str) -> Sequence[Task]:
    return AGAINST_PPO if peer == "ppo" else TASKS


def run_job(task: Task, trainer: str, seed: int, until_score: bool) -> dict[str, Any]:
    """One training with a seed: env_steps, seconds, greedy_mean, solved_at_* and the curve."""
    if trainer == "vecac":
        run = _run_vecac(task, seed, until_score)
    else:
        until = ["--until", task.score, "--episodes", 0] if until_score else []
        run = run_program("peer_sb3_score.py", trainer, task.env_id, seed, task.env_steps, *until)
    kept = ("env_steps", "seconds", "env_steps_per_s", "greedy_mean", "greedy_std", "last_100_return_mean")
    curve = run["curve"]
    run = {"seed": seed, **{name: run[name] for name in kept}}
    reached = next((point for point in curve if point[2] is not None and point[2] >= task.score), None)
    run["score_at_env_steps"], run["score_at_seconds"] = (None, None) if reached is None else reached[:2]
    run["curve"] = curve[:: max(1, len(curve) // POINTS)]
    print(f"{task.name}, {trainer}, seed {seed}: {run['greedy_mean']}", file=sys.stderr, flush=True)
    return run


def _run_vecac(task: Task, seed: int, until_score: bool) -> dict[str, Any]:
    flags = [f"--settings={task.env_id}", f"--seed={seed}", f"--total-timesteps={task.env_steps}"]
    if until_score:
        flags += [f"--target-return={task.score}", "--eval-episodes=0"]
    with tempfile.TemporaryDirectory() as log_dir:
        command = [sys.executable, "-m", "vecac.train", "--quiet", "--num-threads=1", *flags]
        subprocess.run([*command, f"--log-dir={log_dir}"], check=True, stdout=subprocess.DEVNULL)
        (run_dir,) = Path(log_dir).iterdir()
        result = json.loads((run_dir / "result.json").read_text(encoding="utf-8"))
        with (run_dir / "progress.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
    curve = [
        [int(float(row["time/total_timesteps"])), float(row["time/time_elapsed"]), _mean_of_100(row)]
        for row in rows
    ]
    renamed = {"greedy_mean": result["eval_return_mean"], "greedy_std": result["eval_return_std"]}
    return {**result, **renamed, "curve": curve}


def _mean_of_100(row: dict[str, str]) -> float | None:
    """The mean return if it is of 100 episodes."""
    return float(row["rollout/ep_rew_mean"]) if float(row["rollout/episodes"]) >= 100 else None


def measure(options: Options) -> Iterator[list[dict[str, Any]]]:
    """A row a task, the summary and the runs of each trainer; anew after each seed that both have had."""
    trainers = ["vecac"] if options.against == "nobody" else ["vecac", options.against]
    seeds = range(options.seed, options.seed + options.seeds)
    jobs = list(product(options.tasks, seeds, trainers))
    until_score = options.against == "ppo"
    runs: dict[Task, dict[str, list[dict[str, Any]]]] = {}
    with ThreadPoolExecutor(options.jobs or usable_cores()) as pool:
        results = pool.map(lambda job: run_job(job[0], job[2], job[1], until_score), jobs)
        for (task, _, trainer), run in zip(jobs, results, strict=True):
            runs.setdefault(task, {name: [] for name in trainers})[trainer].append(run)
            if trainer == trainers[-1]:
                yield [summarize_task(of_task, by_trainer) for of_task, by_trainer in runs.items()]


def format_report(record: dict[str, Any]) -> str:
    """The table for people."""
    lines = [line for row in record["rows"] for line in cells(row)]
    header = [
        "task, trainer",
        "greedy",
        "95 %",
        "worst",
        "env steps/s",
        "seconds",
        "to score: solved",
        "seconds",
    ]
    return "\n".join([describe_place(record), "", format_table(header, lines), *record["notes"]])


def _command(options: Options) -> int:
    notes = [
        "greedy: mean over seeds of the greedy return of the last parameters, 100 episodes each, its 95 % "
        "interval by Student's t, and the worst seed; seconds: of training, median over seeds; to score: how "
        "many seeds reached the score in training, and the median of their seconds until then",
    ]
    for rows in measure(options):
        record = make_record("scores", options, {}, rows, notes)
        write_record(record, options.json)
    print(format_report(record), flush=True)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(
        Options, "python benchmarks/scores.py", argv, lambda values: _command(Options(**values))
    )


if __name__ == "__main__":
    sys.exit(main())
