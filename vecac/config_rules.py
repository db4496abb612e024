"""What the settings of a run may be: each by itself, beside others, and for the engines and learners."""

import functools
import json
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from vecac.config_parts import EnvironmentSettings

WITHOUT_WORKERS: dict[str, Any] = {
    name: EnvironmentSettings.__dataclass_fields__[name].default
    for name in ("start_method", "shared_memory", "step_timeout")
}
"""The settings of worker processes, as they have to be where there are none."""


def flag(field: str) -> str:
    """The command-line spelling of a field."""
    return "--" + field.replace("_", "-")


def typed(field: str, value: Any) -> str:
    """A flag with its value, as one would type it."""
    if isinstance(value, bool):
        return flag(field) if value else f"--no-{flag(field).removeprefix('--')}"
    if isinstance(value, dict):
        value = [f"{key}={item!r}" for key, item in value.items()]
    return f"{flag(field)} {' '.join(map(str, value)) if isinstance(value, tuple | list) else value}"


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


_COUNT_LIMIT = 10**18
"""More env steps than anyone takes, and few enough for the 64 bits of whoever counts them."""
_POSITIVE: Rule = (lambda value: value > 0, "greater than 0")
_FRACTION: Rule = (lambda value: 0 <= value <= 1, "between 0 and 1")
_NOT_EMPTY: Rule = (lambda value: value.strip() != "" and "\0" not in value, "a name that is not empty")
_DEVICE: Rule = (
    lambda value: re.fullmatch(r"auto|cpu|cuda(:(0|[1-9][0-9]*))?", value) is not None,
    "auto, cpu, cuda or cuda:N",
)


_MAKES_OWN = (
    "id",
    "num_envs",
    "max_episode_steps",
    "vectorization_mode",
    "disable_env_checker",
)
"""Keywords of gym.make that are none of the environment's."""


def _are_plain_keywords(keywords: dict[str, Any]) -> bool:
    """Whether config.json can hold them, and bring them back."""
    try:
        return bool(json.loads(json.dumps(keywords, allow_nan=False)) == keywords) and all(
            name.isidentifier() and name not in _MAKES_OWN for name in keywords
        )
    except (TypeError, ValueError, RecursionError):
        return False


RANGES: dict[str, Rule] = {
    "env_id": _NOT_EMPTY,
    "num_envs": _between(1, 1_000_000),
    "n_rollout": _between(1, 1_000_000),
    "total_timesteps": _between(1, _COUNT_LIMIT),
    "learning_rate": _POSITIVE,
    "gamma": _FRACTION,
    "td_lambda": _FRACTION,
    "reward_scale": _POSITIVE,
    "ent_coef": _at_least(0),
    "vf_coef": _at_least(0),
    "max_grad_norm": _POSITIVE,
    "env_kwargs": (
        _are_plain_keywords,
        f"names, none of {', '.join(_MAKES_OWN)}, with numbers, text, True, False, None, or lists and dicts "
        "of these",
    ),
    "max_episode_steps": _between(1, _COUNT_LIMIT),
    "hidden_sizes": (
        lambda sizes: len(sizes) >= 1 and all(1 <= size <= 65_536 for size in sizes),
        "one or more widths between 1 and 65,536",
    ),
    "log_std_init": _between(-20, 5),
    "clip_obs": (lambda value: 0 < value <= 1e30, "greater than 0, and at most 1e30"),
    "lr_final": _at_least(0),
    "optimizer_eps": _POSITIVE,
    "ent_coef_final": _at_least(0),
    "device": _DEVICE,
    "num_threads": _between(0, 256),
    "seed": (lambda value: 0 <= value < 2**63, "between 0 and 2**63 - 1"),
    "log_dir": _NOT_EMPTY,
    "init_from": _NOT_EMPTY,
    "run_name": (lambda value: value.strip() and len(value) <= 100, "a name of 1 to 100 characters"),
    "log_interval": _between(0, _COUNT_LIMIT),
    # Poll has 31 bits of milliseconds for the wait for a pipe, and 0 microseconds are no limit to a socket.
    "step_timeout": _between(0.001, 1_000_000),
    "checkpoint_interval": _POSITIVE,
    "eval_episodes": _between(0, 1_000_000_000),
    "eval_max_steps": _between(0, _COUNT_LIMIT),
    "eval_interval": _between(0, _COUNT_LIMIT),
    "checkpoint_every": _between(0, _COUNT_LIMIT),
    "keep_checkpoints": _between(1, _COUNT_LIMIT),
}

ONLY_WITH: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "clip_obs": ("--norm-obs", lambda config: config.norm_obs),
    "lr_final": ("--lr-schedule linear", lambda config: config.anneals_lr),
    "ent_coef_final": ("--ent-coef-schedule linear", lambda config: config.ent_coef_schedule == "linear"),
    "init_optimizer": ("--init-from", lambda config: config.init_from is not None),
    "eval_interval": ("--eval-episodes", lambda config: config.eval_episodes > 0),
    "keep_checkpoints": ("--checkpoint-every", lambda config: config.checkpoint_every > 0),
}
"""Settings that would be ignored without another one."""

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


def _in_kernels(remedy: str) -> dict[str, FlagNeed]:
    """What the compiled kernels know no other value of."""
    known: dict[str, tuple[Callable[[Any], bool], str]] = {
        "hidden_sizes": (lambda sizes: len(sizes) <= 2, "one or two hidden layers"),
        "activation": (lambda value: value in ("relu", "tanh"), "--activation relu or tanh"),
    }
    return {name: FlagNeed(holds, f"needs {what}", remedy) for name, (holds, what) in known.items()}


_NO_WRAPPERS = {
    "wrapper": FlagNeed(operator.not_, "takes no --wrapper", "leave it out, or use --engine sync")
}
NEEDS: dict[str, dict[str, FlagNeed]] = {
    "--engine sync": _NO_WORKERS,
    "--engine vector": {**_NO_WRAPPERS, **_NO_WORKERS},
    "--engine fused": {
        **_in_kernels(_ANOTHER_ENGINE),
        "env_kwargs": FlagNeed(
            operator.not_, "takes no --env-kwargs", "leave them out, or use --engine sync"
        ),
        **_NO_WRAPPERS,
        "autoreset_mode": FlagNeed(
            lambda value: value == "next-step", "needs --autoreset-mode next-step", _ANOTHER_ENGINE
        ),
        "learner": FlagNeed(lambda value: value != "torch", "learns by itself", _ANOTHER_ENGINE),
        "device": _ON_CPU,
        **_NO_WORKERS,
    },
    "--learner compiled": {
        **_in_kernels("leave it out, or use --learner torch"),
        "device": _ON_CPU,
    },
}
"""By the choice that has them, as it is typed, and by field."""


def unmet(config: Any, choice: str) -> Iterator[tuple[str, FlagNeed]]:
    """A Config's flags, as typed, that an engine or a learner ("--engine fused") could only ignore."""
    for field, need in NEEDS.get(choice, {}).items():
        value = getattr(config, field)
        if not need.holds(value):
            yield typed(field, value), need
