"""What a study varies: lists and ranges of settings, and the settings that come of them."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from vecac.config import ALIASES, Config
from vecac.config_rules import flag
from vecac.errors import UsageError
from vecac.keywords import parse_keywords
from vecac.spelling import nearest

NOT_VARIED = {
    "env_id": "a study is of one environment, as returns of others cannot be compared",
    "seed": "--seeds says how many there are",
    "num_threads": "each run of a study has one thread",
    "log_dir": "a study has one folder",
    "run_name": "a study has one folder",
    "log_interval": "a study keeps no rows of a run, but its curve",
    "checkpoint_interval": "a study keeps no checkpoints",
    "checkpoint_every": "a study keeps no checkpoints",
    "keep_checkpoints": "a study keeps no checkpoints",
    "eval_interval": "a study evaluates at the end of a run",
    "video_at_end": "a study keeps no files of a run",
    "quiet": "it changes no run",
}
"""Flags of vecac.train that no two runs of a study can differ by, and why."""

MOST_SETTINGS = 100_000
"""Of a study; each has a row in its tables."""

MOST_DRAWS = 64
"""Points that are drawn, at the most, for each setting that is wanted: some give the same one."""

DIGITS = 4
"""Of a number drawn from a range, so that one can type it."""


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included, drawn evenly, or by their logarithm."""

    low: float
    high: float
    is_log: bool
    is_whole: bool

    def at(self, share: float) -> float:
        """The number that so large a share of the range lies below."""
        low, high = (self.low, self.high + 1) if self.is_whole and not self.is_log else (self.low, self.high)
        if self.is_log:
            number = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            number = low + share * (high - low)
        if self.is_whole:
            return int(min(self.high, round(number) if self.is_log else math.floor(number)))
        return self.rounded(number)

    def rounded(self, number: float) -> float:
        """A number of the range as a setting has it: one that can be typed."""
        return int(number) if self.is_whole else min(self.high, max(self.low, float(f"{number:.{DIGITS}g}")))

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest number, as a setting has them."""
        return (int(self.low), int(self.high)) if self.is_whole else (self.low, self.high)


Values = tuple[Any, ...] | Range


def parse_variations(texts: Sequence[str]) -> dict[str, Values]:
    """By field, what "learning-rate=2e-4,1e-3", "gamma=0.9..0.999" and "learning-rate=log:1e-5..1e-2" vary.

    Values that hold commas themselves are separated by "|".

    Raises:
        UsageError: a flag is unknown, given twice or not to be varied, or nothing is given for it to be.
    """
    varied: dict[str, Values] = {}
    for text in texts:
        typed, separator, values = text.partition("=")
        name = typed.strip().lstrip("-").replace("-", "_")
        name = ALIASES.get(name, name)
        _require_varied(name)
        if not separator:
            raise UsageError(f"--vary {text} gives no values: write --vary {typed}=A,B or {typed}=LOW..HIGH")
        if name in varied:
            raise UsageError(f"--vary {text}: {flag(name)} is varied already; put all its values into one")
        varied[name] = _parse_values(name, text, values)
    return varied


def variations_of(varied: Mapping[str, Sequence[Any] | str]) -> dict[str, Values]:
    """By field, what lists of values vary, or text as for `parse_variations`. Raises as that does."""
    found: dict[str, Values] = {}
    for given, values in varied.items():
        if isinstance(values, str):
            found |= parse_variations([f"{given}={values}"])
            continue
        name = ALIASES.get(given, given)
        _require_varied(name)
        try:
            items = list(values)
        except TypeError as error:
            raise UsageError(f"--vary {name}: {values!r} is no list of values") from error
        found[name] = _distinct(name, [tuple(one) if isinstance(one, list) else one for one in items])
    return found


def _require_varied(name: str) -> None:
    known = list(Config.__dataclass_fields__)
    if name not in known:
        meant = nearest(name, known)
        hint = f": did you mean {flag(meant)}?" if meant else "; --help shows them"
        raise UsageError(f"--vary {name or 'without a flag'} names no flag of vecac.train{hint}")
    if name in NOT_VARIED:
        raise UsageError(f"--vary {flag(name)[2:]}: {NOT_VARIED[name]}; leave it out")


def _distinct(text: str, values: Sequence[Any]) -> tuple[Any, ...]:
    if not values:
        raise UsageError(f"--vary {text} gives no values: name one or more")
    if len({repr(value) for value in values}) < len(values):
        raise UsageError(f"--vary {text} gives a value twice: leave one out")
    return tuple(values)


def grid(varied: Mapping[str, Values]) -> list[dict[str, Any]]:
    """Every combination of the values, those of the last field changing first.

    Raises:
        UsageError: one is a range of other than whole numbers, or there are too many combinations.
    """
    lists = {name: _all_of(name, values) for name, values in varied.items()}
    if math.prod(map(len, lists.values())) > MOST_SETTINGS:
        raise UsageError(f"--vary gives more than {MOST_SETTINGS:,} settings: draw some of them by --sample")
    return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]


def sample(varied: Mapping[str, Values], count: int, seed: int) -> list[dict[str, Any]]:
    """Different settings from the lists and ranges, spread by a scrambled Sobol sequence (Owen 1998).

    Raises:
        UsageError: there are not so many.
    """
    from scipy.stats import qmc

    sobol = qmc.Sobol(len(varied), scramble=True, rng=seed)
    settings: dict[str, dict[str, Any]] = {}
    for exponent in range(math.ceil(math.log2(count)), math.ceil(math.log2(count * MOST_DRAWS)) + 1):
        drawn = sobol.random(2**exponent - sobol.num_generated)
        for point in drawn.tolist():
            setting = {
                name: _at(values, share) for (name, values), share in zip(varied.items(), point, strict=True)
            }
            settings.setdefault(repr(setting), setting)
            if len(settings) == count:
                return list(settings.values())
    raise UsageError(f"--sample {count} of {len(settings)} settings: ask for fewer, or leave it out for all")


def _at(values: Values, share: float) -> Any:
    return values.at(share) if isinstance(values, Range) else values[int(share * len(values))]


def _all_of(name: str, values: Values) -> tuple[Any, ...]:
    if not isinstance(values, Range):
        return values
    if not values.is_whole or values.is_log:
        raise UsageError(f"--vary {flag(name)[2:]} gives a range, of which --sample draws: add --sample K")
    if values.high - values.low >= MOST_SETTINGS:
        raise UsageError(f"--vary gives more than {MOST_SETTINGS:,} settings: draw some of them by --sample")
    return tuple(range(int(values.low), int(values.high) + 1))


def _parse_values(name: str, text: str, written: str) -> Values:
    kinds = _kinds(name)
    if ".." in written and (int in kinds or float in kinds):
        return _parse_range(text, written, is_whole=float not in kinds)
    pieces = written.split("|" if "|" in written else ",")
    return _distinct(text, [_parse_value(text, one.strip(), kinds) for one in pieces])


def _parse_range(text: str, written: str, is_whole: bool) -> Range:
    is_log = written.startswith("log:")
    try:
        low, high = map(float, written.removeprefix("log:").split(".."))
    except ValueError as error:
        raise UsageError(f"--vary {text} is no range of numbers: write LOW..HIGH or log:LOW..HIGH") from error
    if is_whole and not (low.is_integer() and high.is_integer()):
        raise UsageError(f"--vary {text}: the ends must be whole numbers")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"--vary {text} is an empty range: write the lower number first")
    if is_log and low <= 0:
        raise UsageError(f"--vary {text}: a range by logarithm lies above 0")
    return Range(low, high, is_log, is_whole)


def _parse_value(text: str, written: str, kinds: Sequence[Any]) -> Any:
    """As a field takes it; Config refuses what is left as text where no text belongs."""
    if not written:
        raise UsageError(f"--vary {text} gives an empty value: write --vary FLAG=A,B")
    if bool in kinds and written.lower() in ("true", "false"):
        return written.lower() == "true"
    if NoneType in kinds and written.lower() == "none":
        return None
    if dict in kinds:
        try:
            return parse_keywords(",".join(written.split()))
        except ValueError as error:
            raise UsageError(f"--vary {text}: {error}") from error
    if tuple in kinds:
        return tuple(_parse_value(text, item, kinds[1:]) for item in written.split())
    for kind in (int, float):
        if kind in kinds or (kind is float and int in kinds):
            try:
                number = kind(written)
            except ValueError:
                continue
            is_whole = float not in kinds and math.isfinite(number) and number == int(number)
            return int(number) if is_whole else number
    return written


def _kinds(name: str) -> tuple[Any, ...]:
    """What a field's annotation admits; of a tuple, it and its items."""
    hint = get_type_hints(Config)[name]
    if get_origin(hint) is tuple:
        return (tuple, get_args(hint)[0])
    return get_args(hint) if isinstance(hint, UnionType) else (get_origin(hint) or hint,)
