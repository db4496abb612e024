"""What a study runs: settings, each with so many seeds."""

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vecac.config import Config
from vecac.config_rules import typed
from vecac.environments.registry import find_spec
from vecac.errors import UsageError
from vecac.studies.variation import MOST_SETTINGS, NOT_VARIED, Range, Values, grid, sample

MOST_SEEDS = 10_000_000
"""Of a setting."""


RUNGS = ((1 / 9, 1 / 4), (1 / 3, 1 / 2), (1.0, 1.0))
"""Shares of seeds and of env steps by which a trial of a search is judged, one after the other."""


@dataclass(frozen=True)
class Search:
    """How settings are to be searched for: so many trials, of values by field."""

    trials: int
    varied: dict[str, Values]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values, of which `from_dict` makes the same again."""
        plain = {
            name: dataclasses.asdict(values) if isinstance(values, Range) else [*map(_plain, values)]
            for name, values in self.varied.items()
        }
        return {"trials": self.trials, "varied": plain}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Search":
        """The search of a `to_dict`."""
        varied = {
            name: Range(**values) if isinstance(values, dict) else tuple(map(_as_field, values))
            for name, values in content["varied"].items()
        }
        return cls(content["trials"], varied)


@dataclass(frozen=True)
class Design:
    """A study's settings and seeds.

    base: what every run has, with the first seed. settings: the fields that each changes; the number of a
    setting is its place, from 1. seeds: of each setting. until_ci: how wide the leading setting's interval
    may be before seeds are added to it; None for no more seeds. search: where settings come from if they are
    not known beforehand; each trial has as many of them as there are RUNGS then.
    """

    base: Config
    settings: tuple[dict[str, Any], ...]
    seeds: int
    until_ci: float | None = None
    search: Search | None = None

    def config(self, setting: int, seed: int) -> Config:
        """What a run trains by."""
        return dataclasses.replace(self.base, **self.settings[setting - 1], seed=seed)

    def seeds_of(self, count: int) -> range:
        """The first so many seeds."""
        return range(self.base.seed, self.base.seed + count)

    @property
    def varied(self) -> tuple[str, ...]:
        """The fields that settings differ by."""
        if self.search is not None:
            return (*self.search.varied, "total_timesteps")
        return tuple(dict.fromkeys(name for setting in self.settings for name in setting))

    @property
    def num_settings(self) -> int:
        """How many there are in the end."""
        return len(self.settings) if self.search is None else self.search.trials * len(RUNGS)

    @property
    def threshold(self) -> float | None:
        """The mean return of 100 episodes that solves the environment, if there is one."""
        threshold: float | None = find_spec(self.base.env_id).reward_threshold
        return threshold

    def describe(self, setting: int) -> str:
        """A setting by its flags, as typed."""
        values = self.settings[setting - 1]
        return " ".join(typed(name, value) for name, value in values.items()) or "the settings given"

    def command(self, setting: int) -> str:
        """The command line of vecac.train that trains by a setting, seed and folder apart."""
        config, flags = self.config(setting, self.base.seed), list[str]()
        left_out = ("seed", "log_dir", "run_name", "quiet")
        for name, field in Config.__dataclass_fields__.items():
            default = {} if field.default is dataclasses.MISSING else field.default
            if (value := getattr(config, name)) != default and name not in left_out:
                flags += [shlex.quote(word) for word in typed(name, value).split(" ")]
        return " ".join(["python -m vecac.train", *flags])

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values, of which `from_dict` makes the same again."""
        settings = [{name: _plain(value) for name, value in setting.items()} for setting in self.settings]
        return {
            "base": self.base.to_dict(),
            "settings": settings,
            "seeds": self.seeds,
            "until_ci": self.until_ci,
            "search": self.search and self.search.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Design":
        """The design of a `to_dict`; ValueError, KeyError or TypeError if it is none."""
        settings = [
            {name: _as_field(value) for name, value in setting.items()} for setting in content["settings"]
        ]
        search = None if content["search"] is None else Search.from_dict(content["search"])
        base, seeds = Config(**content["base"]), content["seeds"]
        if type(seeds) is not int or seeds < 1:
            raise ValueError(f"seeds is {seeds!r}")
        return cls(base, tuple(settings), seeds, content["until_ci"], search)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _as_field(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def make_search(base: Config, varied: Mapping[str, Values], seeds: int, trials: int) -> Design:
    """A search, of `trials` trials, among what is varied.

    Raises:
        UsageError: an end of a range, or a value of a list, is none that a setting can have, or a flag does
            nothing in a search.
    """
    _require_sensible(base, varied, seeds, None, None)
    if trials < 1 or not varied:
        raise UsageError(f"--tune {trials} tries settings, at least 1, from --vary: add that")
    if "total_timesteps" in varied:
        raise UsageError("--vary total-timesteps: --tune shortens runs by itself; leave it out")
    base = dataclasses.replace(base, num_threads=1)
    design = Design(base, (), seeds, search=Search(trials, dict(varied)))
    _require_configs(corners(design))
    return design


def corners(design: Design) -> Design:
    """The settings of a search's lists and ends of ranges, each beside the first of the others."""
    assert design.search is not None
    values = {
        name: choice.ends if isinstance(choice, Range) else choice
        for name, choice in design.search.varied.items()
    }
    first = {name: choice[0] for name, choice in values.items()}
    settings = [first | {name: value} for name, choice in values.items() for value in choice]
    return dataclasses.replace(design, settings=tuple(settings), search=None)


def _require_configs(design: Design) -> None:
    for number in range(1, len(design.settings) + 1):
        try:
            design.config(number, design.base.seed)
        except UsageError as error:
            raise UsageError(f"setting {number} ({design.describe(number)}): {error}") from error


def make_design(
    base: Config,
    varied: Mapping[str, Values],
    seeds: int,
    sample_size: int | None = None,
    until_ci: float | None = None,
) -> Design:
    """The grid of what is varied, or `sample_size` settings of it, every one of them a Config.

    Raises:
        UsageError: a setting cannot be, or a flag is given that does nothing in a study.
    """
    _require_sensible(base, varied, seeds, sample_size, until_ci)
    base = dataclasses.replace(base, num_threads=1)
    settings = grid(varied) if sample_size is None else sample(varied, sample_size, base.seed)
    design = Design(base, tuple(settings), seeds, until_ci)
    _require_configs(design)
    return design


def _require_sensible(
    base: Config, varied: Mapping[str, Values], seeds: int, sample_size: int | None, until_ci: float | None
) -> None:
    for name, reason in NOT_VARIED.items():
        value = getattr(base, name)
        default = Config.__dataclass_fields__[name].default
        does_something = ("env_id", "seed", "log_dir", "run_name", "quiet")
        if name not in does_something and value not in (default, 1 if name == "num_threads" else default):
            raise UsageError(f"{typed(name, value)} does nothing in a study: {reason}; leave it out")
    for name in varied:
        field = Config.__dataclass_fields__[name]
        default = field.default if field.default is not dataclasses.MISSING else {}
        if getattr(base, name) != default and name != "engine":
            raise UsageError(f"{typed(name, getattr(base, name))} is varied too: leave one of both out")
    if type(seeds) is not int or not 1 <= seeds <= MOST_SEEDS or base.seed + seeds > 2**63:
        raise UsageError(f"--seeds must be between 1 and {MOST_SEEDS:,}, not {seeds}")
    if sample_size is not None and sample_size > MOST_SETTINGS:
        raise UsageError(f"--sample must be at most {MOST_SETTINGS:,}, not {sample_size}")
    if sample_size is not None and (sample_size < 1 or not varied):
        raise UsageError(f"--sample {sample_size} draws settings, at least 1, from --vary: add that")
    if until_ci is not None and not 0 < until_ci <= 1:
        raise UsageError(f"--until-ci must be greater than 0 and at most 1, not {until_ci}")
