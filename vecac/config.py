"""Every setting of a run, validated. A field is a flag: num_envs is --num-envs."""

import dataclasses
import functools
import operator
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from vecac.config_parts import EnvironmentSettings, LearningSettings, RecordingSettings, RunSettings
from vecac.errors import UsageError
from vecac.spelling import nearest

MAX_ROLLOUT = 10_000_000
"""Transitions of one rollout."""


@dataclass(frozen=True)
class Config(RecordingSettings, RunSettings, LearningSettings, EnvironmentSettings):
    """Train a TD actor-critic on N copies of a Gymnasium environment that step together.

    A whole float passes for an int, and is kept as one: total_timesteps=1e6.

    Raises:
        UsageError: a value is of the wrong type or out of its range, or there is no such field; the message
            names the flag or the field.
    """

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            value = getattr(self, name)
            if hint is int and isinstance(value, float) and value.is_integer():
                object.__setattr__(self, name, int(value))
            _check_type(name, getattr(self, name), hint)
            if type(value) is int and abs(value) >= 2**63 and hint is not int:  # which torch does not take
                object.__setattr__(self, name, float(value))
        for name, (holds, wanted) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not holds(value):
                raise UsageError(f"{flag(name)} must be {wanted}, not {value!r}")
        if self.num_envs * self.n_rollout > MAX_ROLLOUT:
            raise UsageError(
                f"--num-envs times --n-rollout must be at most {MAX_ROLLOUT:,}, not "
                f"{self.num_envs * self.n_rollout:,}: that is the size of a rollout in memory"
            )
        for choice in (f"--engine {self.engine}", f"--learner {self.learner}"):
            for given, need in unmet(self, choice):
                raise UsageError(f"{given} does not go with {choice}, which {need.which}: {need.remedy}")

    @property
    def log_every(self) -> int:
        """Env steps between two log rows, resolved."""
        return self.log_interval or max(1, self.total_timesteps // 200)

    def to_dict(self) -> dict[str, Any]:
        """Every field as a JSON-ready value."""
        return dataclasses.asdict(self)


def require_fields(names: Iterable[str]) -> None:
    """Refuse a name that is no field of Config, with a UsageError that names the nearest one."""
    known = list(Config.__dataclass_fields__)
    for name in names:
        if name not in known:
            meant = nearest(name, known)
            raise UsageError(f"Config has no field {name}" + (f": did you mean {meant}?" if meant else ""))


def _explained(init: Callable[..., None]) -> Callable[..., None]:
    """Config's own __init__, with an unknown field told as above instead of by a TypeError."""

    @functools.wraps(init)
    def explained(self: Config, *args: Any, **fields: Any) -> None:
        require_fields(fields)
        init(self, *args, **fields)

    return explained


Config.__init__ = _explained(Config.__init__)  # type: ignore[method-assign]

WITHOUT_WORKERS: dict[str, Any] = {
    name: Config.__dataclass_fields__[name].default
    for name in ("start_method", "shared_memory", "step_timeout")
}
"""The settings of worker processes, as they have to be where there are none."""

GROUPS = {
    next(iter(part.__annotations__)): part.__name__.removesuffix("Settings").lower()
    for part in reversed(Config.__mro__[1:-1])
}
"""The first field of each part, and what it is called in --help and docs/reference.md."""


def flag(field: str) -> str:
    """The command-line spelling of a field."""
    return "--" + field.replace("_", "-")


def typed(field: str, value: Any) -> str:
    """A flag with its value, as one would type it."""
    if isinstance(value, bool):
        return flag(field) if value else f"--no-{flag(field).removeprefix('--')}"
    return f"{flag(field)} {value}"


class FlagNeed(NamedTuple):
    """What an engine or learner needs a flag to be, which it could only ignore otherwise."""

    holds: Callable[[Any], bool]
    which: str
    remedy: str


Rule = tuple[Callable[[Any], bool], str]


def _at_least(bound: int) -> Rule:
    return lambda value: value >= bound, f"{bound} or more"


def _between(low: float, high: float) -> Rule:
    return lambda value: low <= value <= high, f"between {low:,} and {high:,}"


_POSITIVE: Rule = (lambda value: value > 0, "greater than 0")
_FRACTION: Rule = (lambda value: 0 <= value <= 1, "between 0 and 1")
_NOT_EMPTY: Rule = (lambda value: value.strip() != "" and "\0" not in value, "a name that is not empty")
_DEVICE: Rule = (
    lambda value: re.fullmatch(r"auto|cpu|cuda(:(0|[1-9][0-9]*))?", value) is not None,
    "auto, cpu, cuda or cuda:N",
)

_RANGES: dict[str, Rule] = {
    "env_id": _NOT_EMPTY,
    "num_envs": _between(1, 1_000_000),
    "n_rollout": _between(1, 1_000_000),
    "total_timesteps": _at_least(1),
    "learning_rate": _POSITIVE,
    "gamma": _FRACTION,
    "td_lambda": _FRACTION,
    "reward_scale": _POSITIVE,
    "ent_coef": _at_least(0),
    "vf_coef": _at_least(0),
    "max_grad_norm": _POSITIVE,
    "hidden_size": _between(1, 65_536),
    "device": _DEVICE,
    "num_threads": _between(0, 256),
    "seed": (lambda value: 0 <= value < 2**63, "between 0 and 2**63 - 1"),
    "log_dir": _NOT_EMPTY,
    "run_name": (lambda value: value.strip() and len(value) <= 100, "a name of 1 to 100 characters"),
    "log_interval": _at_least(0),
    # Poll has 31 bits of milliseconds for the wait for a pipe, and 0 microseconds are no limit to a socket.
    "step_timeout": _between(0.001, 1_000_000),
    "checkpoint_interval": _POSITIVE,
    "eval_episodes": _at_least(0),
    "eval_max_steps": _at_least(0),
}


_NO_WORKERS: dict[str, FlagNeed] = {
    name: FlagNeed(
        functools.partial(operator.eq, default),
        "has no worker processes",
        "leave it out, or use --engine async",
    )
    for name, default in WITHOUT_WORKERS.items()
}
_ON_CPU = FlagNeed(
    lambda device: not device.startswith("cuda"),
    "runs on the CPU",
    "use --device cpu, or --learner torch with --engine sync or vector",
)
_ANOTHER_ENGINE = "leave it out, or use --engine sync or vector"
_ONE_STEP = functools.partial(FlagNeed, lambda td_lambda: td_lambda == 0, "needs --td-lambda 0")
NEEDS: dict[str, dict[str, FlagNeed]] = {
    "--engine sync": _NO_WORKERS,
    "--engine vector": _NO_WORKERS,
    "--engine fused": {
        "td_lambda": _ONE_STEP(_ANOTHER_ENGINE),
        "autoreset_mode": FlagNeed(
            lambda value: value == "next-step", "needs --autoreset-mode next-step", _ANOTHER_ENGINE
        ),
        "learner": FlagNeed(lambda value: value != "torch", "learns by itself", _ANOTHER_ENGINE),
        "device": _ON_CPU,
        **_NO_WORKERS,
    },
    "--learner compiled": {
        "td_lambda": _ONE_STEP("leave it out, or use --learner torch"),
        "device": _ON_CPU,
    },
}
"""By the choice that has them, as it is typed, and by field."""


def unmet(config: Config, choice: str) -> Iterator[tuple[str, FlagNeed]]:
    """The flags, as typed, that an engine or a learner ("--engine fused") could only ignore as they are."""
    for field, need in NEEDS.get(choice, {}).items():
        value = getattr(config, field)
        if not need.holds(value):
            yield typed(field, value), need


def _check_type(name: str, value: object, hint: Any) -> None:
    """Refuse a value that the field's annotation does not admit; an int passes for a float."""
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise UsageError(f"{flag(name)} must be one of {', '.join(get_args(hint))}, not {value!r}")
        return
    allowed = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if float in allowed:
        allowed = (*allowed, int)
    is_bool = isinstance(value, bool)
    if not isinstance(value, allowed) or (is_bool and bool not in allowed):
        kinds = {bool: "True or False", str: "text", float: "a number", int: "a whole number"}
        kind = next(kinds[known] for known in kinds if known in allowed)
        raise UsageError(f"{flag(name)} must be {kind}, not {value!r}")
    if float in allowed and isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
        raise UsageError(f"{flag(name)} must be a finite number, not {value!r}")
