"""python benchmarks/beyond_defaults.py: speed of other networks, actions and environments than the defaults.

Each pair is timed in windows in turn, so that what else the machine does meets both; ratios are those of
neighbouring windows.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
from environments_alone import gymnasium_alone
from record import describe_place, format_table, make_record, require_record_file, summarize, write_record
from workloads import Training, Workload, measure

from vecac.config import Config
from vecac.config_rules import flag
from vecac.errors import UsageError
from vecac.shell.command_line import run_command

TANH_64_64 = {"hidden_sizes": (64, 64), "activation": "tanh", "norm_obs": True, "td_lambda": 0.95}
ALONE = "environments alone, sync"


class Pair(NamedTuple):
    """Training by `config`, and beside it by another one, or the environments alone (None)."""

    config: Config
    beside: Config | None


def _pairs() -> dict[str, Pair]:
    pendulum = Config(
        env_id="Pendulum-v1", engine="fused", norm_reward=True, normalize_advantage=True, **TANH_64_64
    )
    return {
        "Pendulum-v1": Pair(pendulum, replace(pendulum, engine="sync", learner="torch")),
        "Acrobot-v1": Pair(Config(env_id="Acrobot-v1", engine="fused"), None),
        "HalfCheetah-v5": Pair(
            Config(env_id="HalfCheetah-v5", num_envs=8, learner="compiled", **TANH_64_64), None
        ),
    }


PAIRS = _pairs()


@dataclass(frozen=True)
class Options:
    """Measure env steps a second of kernels beyond the defaults, each beside another trainer or none."""

    envs: tuple[str, ...] = tuple(PAIRS)
    """Environments to measure in."""
    seconds: float = 2.0
    """Length of a window."""
    rounds: int = 7
    """Windows of each."""
    json: Path | None = None
    """File for the whole record: where and how it was measured, and every window."""

    def __post_init__(self) -> None:
        require_record_file(self.json)
        for env_id in self.envs:
            if env_id not in PAIRS:
                raise UsageError(f"{flag('envs')} {env_id} is none of {', '.join(PAIRS)}")
        if not (self.seconds > 0 and self.rounds >= 1):
            raise UsageError(f"{flag('seconds')} and {flag('rounds')} must be more than 0")


def _alone(config: Config) -> Workload:
    envs = gym.make_vec(config.env_id, config.num_envs, vectorization_mode="sync")
    return gymnasium_alone(envs, config.n_rollout)


def _describe(config: Config) -> str:
    by = "fused" if config.engine == "fused" else f"{config.engine}, {config.learner} learner"
    network = "-".join(map(str, config.hidden_sizes))
    return f"{config.num_envs} copies, {network} {config.activation}, {by}"


def measure_pair(env_id: str, seconds: float, rounds: int) -> dict[str, Any]:
    """One JSON-ready row: env steps a second of both, window by window, and their ratio."""
    config, beside = (None if each is None else replace(each, num_threads=1) for each in PAIRS[env_id])
    assert config is not None
    makers: list[Callable[[], Workload]] = [
        lambda: Training(config),
        lambda: _alone(config) if beside is None else Training(beside),
    ]
    windows: list[list[float]] = [[], []]
    with closing(makers[0]()) as first, closing(makers[1]()) as second:
        for _ in range(1 + rounds):  # the first of each warms up
            for workload, numbers in zip((first, second), windows, strict=True):
                numbers.append(measure(workload, seconds))
    ours, theirs = (numbers[1:] for numbers in windows)
    return {
        "environment": env_id,
        "name": _describe(config),
        "beside": ALONE if beside is None else _describe(beside),
        "env_steps_per_s": ours,
        "env_steps_per_s_beside": theirs,
        "ratio": summarize([a / b for a, b in zip(ours, theirs, strict=True)]),
    }


def format_report(record: dict[str, Any]) -> str:
    """The table for people."""
    lines = []
    for row in record["rows"]:
        speeds = (summarize(row[name]) for name in ("env_steps_per_s", "env_steps_per_s_beside"))
        cells = [f"{speed['median']:,.0f}" for speed in speeds if speed]
        lines.append([f"{row['environment']}, {row['name']}", *cells, f"{row['ratio']['median']:.2f}"])
        lines.append([f"  beside {row['beside']}", "", "", ""])
    head = ["what", "env steps/s", "beside", "ratio"]
    return "\n".join([describe_place(record), "", format_table(head, lines)])


def _command(options: Options) -> int:
    rows = [measure_pair(env_id, options.seconds, options.rounds) for env_id in options.envs]
    record = make_record("beyond_defaults", options, {"num_threads": 1}, rows)
    print(format_report(record), flush=True)
    write_record(record, options.json)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(
        Options, "python benchmarks/beyond_defaults.py", argv, lambda values: _command(Options(**values))
    )


if __name__ == "__main__":
    sys.exit(main())
