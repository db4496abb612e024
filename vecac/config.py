"""Every setting of a run, validated. A field is a flag: num_envs is --num-envs."""

import dataclasses
import functools
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

from vecac.config_parts import EnvironmentSettings, LearningSettings, RecordingSettings, RunSettings
from vecac.config_rules import ONLY_WITH, RANGES, flag, typed, unmet
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
            value = _converted(getattr(self, name), hint)
            object.__setattr__(self, name, value)
            _check_type(name, value, hint)
            if (
                type(value) is int and abs(value) >= 2**63 and float in _kinds(hint)
            ):  # which torch does not take
                object.__setattr__(self, name, float(value))
        for name, (holds, wanted) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not holds(value):
                raise UsageError(f"{flag(name)} must be {wanted}, not {value!r}")
        if self.num_envs * self.n_rollout > MAX_ROLLOUT:
            raise UsageError(
                f"--num-envs times --n-rollout must be at most {MAX_ROLLOUT:,}, not "
                f"{self.num_envs * self.n_rollout:,}: that is the size of a rollout in memory"
            )
        for name, (other, is_used) in ONLY_WITH.items():
            if getattr(self, name) != Config.__dataclass_fields__[name].default and not is_used(self):
                raise UsageError(f"{typed(name, getattr(self, name))} does nothing without {other}: add that")
        for choice in (f"--engine {self.engine}", f"--learner {self.learner}"):
            for given, need in unmet(self, choice):
                raise UsageError(f"{given} does not go with {choice}, which {need.which}: {need.remedy}")

    @property
    def log_every(self) -> int:
        """Env steps between two log rows, resolved."""
        return self.log_interval or max(1, self.total_timesteps // 200)

    def to_dict(self) -> dict[str, Any]:
        """Every field as a JSON-ready value, of which Config makes the same again."""
        values = dataclasses.asdict(self)
        return {name: list(value) if type(value) is tuple else value for name, value in values.items()}


def require_fields(names: Iterable[str]) -> None:
    """Refuse a name that is no field of Config, with a UsageError that names the nearest one."""
    known = list(Config.__dataclass_fields__)
    for name in names:
        if name not in known:
            meant = nearest(name, known)
            raise UsageError(f"Config has no field {name}" + (f": did you mean {meant}?" if meant else ""))


def fields_meant(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by the names of Config's fields, of which some have a second one, as flags have.

    Raises:
        UsageError: a name is none, or one field is given by both.
    """
    meant: dict[str, Any] = {}
    for name, value in given.items():
        field = ALIASES.get(name, name)
        if field in meant:
            second = next(alias for alias in (name, *given) if ALIASES.get(alias) == field)
            raise UsageError(f"{field} and {second} are one setting: leave one out")
        meant[field] = value
    require_fields(meant)
    return meant


def _aliases() -> Iterator[tuple[str, str]]:
    for name, hint in get_type_hints(Config, include_extras=True).items():
        for note in getattr(hint, "__metadata__", ()):
            for alias in getattr(note, "aliases", None) or ():
                yield alias.removeprefix("--").replace("-", "_"), name


ALIASES = dict(_aliases())
"""Second names of fields, by which they are given too."""


def _explained(init: Callable[..., None]) -> Callable[..., None]:
    """Config's own __init__, which takes second names too, and tells of an unknown one as above."""

    @functools.wraps(init)
    def explained(self: Config, *args: Any, **fields: Any) -> None:
        init(self, *args, **fields_meant(fields))

    return explained


Config.__init__ = _explained(Config.__init__)  # type: ignore[method-assign]

GROUPS = {
    next(iter(part.__annotations__)): part.__name__.removesuffix("Settings").lower()
    for part in reversed(Config.__mro__[1:-1])
}
"""The first field of each part, and what it is called in --help and docs/reference.md."""


def _converted(value: Any, hint: Any) -> Any:
    """As the field keeps it: a whole float as an int, one or a list of its items as a tuple."""
    if get_origin(hint) is tuple:
        item = get_args(hint)[0]
        values = value if isinstance(value, tuple | list) else (value,)
        return tuple(_converted(one, item) for one in values)
    if int in _kinds(hint) and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _kinds(hint: Any) -> tuple[Any, ...]:
    """What a field's annotation admits."""
    return get_args(hint) if isinstance(hint, types.UnionType) else (get_origin(hint) or hint,)


def _check_type(name: str, value: object, hint: Any) -> None:
    """Refuse a value that the field's annotation does not admit; an int passes for a float."""
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise UsageError(f"{flag(name)} must be one of {', '.join(get_args(hint))}, not {value!r}")
        return
    if isinstance(value, tuple):
        for item in value:
            _check_type(name, item, get_args(hint)[0])
        return
    allowed = _kinds(hint)
    if float in allowed:
        allowed = (*allowed, int)
    is_bool = isinstance(value, bool)
    if not isinstance(value, allowed) or (is_bool and bool not in allowed):
        kinds = {bool: "True or False", str: "text", float: "a number", int: "a whole number", dict: "a dict"}
        kind = next(kinds[known] for known in kinds if known in allowed)
        raise UsageError(f"{flag(name)} must be {kind}, not {value!r}")
    if float in allowed and isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
        raise UsageError(f"{flag(name)} must be a finite number, not {value!r}")
