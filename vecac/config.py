"""Every setting of a run, validated. A field is a flag: num_envs is --num-envs."""

import dataclasses
import functools
import re
import sys
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tyro

from vecac.errors import UsageError
from vecac.spelling import nearest

MAX_ROLLOUT = 10_000_000
"""Transitions of one rollout."""


@dataclass(frozen=True)
class Config:
    """Train a TD actor-critic on N copies of a Gymnasium environment that step together.

    A whole float passes for an int, and is kept as one: total_timesteps=1e6.

    Raises:
        UsageError: a value is of the wrong type or out of its range, or there is no such field; the message
            names the flag or the field.
    """

    env_id: str = "CartPole-v1"
    """Gymnasium environment id; one of your own is module:Id-v0."""
    num_envs: int = 16
    """Copies of the environment that step together (N)."""
    autoreset_mode: Literal["next-step", "same-step", "disabled"] = "next-step"
    """Gymnasium's autoreset mode; all three lead through the same episodes."""
    start_method: Literal["default", "fork", "forkserver", "spawn"] = "default"
    """How --engine async starts its worker processes."""
    shared_memory: bool = True
    """Whether --engine async passes observations through shared memory, not pipes."""
    step_timeout: float = 60.0
    """Seconds that --engine async gives an environment's process for one step or reset."""
    n_rollout: Annotated[int, tyro.conf.arg(aliases=["--num-steps"])] = 10
    """Steps of every copy between two updates (T)."""
    learning_rate: float = 2e-4
    """Adam's step size."""
    anneal_lr: bool = False
    """Scale the learning rate linearly down to 0 over total_timesteps."""
    gamma: float = 0.98
    """Discount factor."""
    td_lambda: float = 0.0
    """Lambda of the TD(lambda) target; 0 is the one-step target, 1 Monte Carlo."""
    reward_scale: float = 0.01
    """Factor on rewards inside the loss; reported returns are unscaled."""
    ent_coef: float = 0.0
    """Weight of the entropy bonus in the loss."""
    vf_coef: float = 1.0
    """Weight of the value loss."""
    max_grad_norm: float | None = None
    """Clip the gradient's global norm to this; None clips nothing."""
    bootstrap_truncated: bool = True
    """Bootstrap the target from the final observation where a time limit cut an episode off."""
    hidden_size: int = 256
    """Width of the hidden layer that policy and value share."""
    total_timesteps: int = 1_000_000
    """Env steps to train for; the run stops after the first update that reaches them."""
    target_return: float | None = None
    """Stop once the mean return of the last 100 episodes reaches this."""
    eval_episodes: int = 100
    """Episodes of the greedy and of the sampled evaluation at the end; 0 for none."""
    eval_max_steps: int = 0
    """Steps after which an evaluated episode is cut; 0 is 10,000 where the environment has no time limit."""
    engine: Literal["sync", "async", "vector", "fused", "auto"] = "sync"
    """One process, a process each, their own vector form, a kernel that learns too; auto: the fastest."""
    learner: Literal["auto", "torch", "compiled"] = "auto"
    """Who computes the updates; auto is compiled where that applies on the CPU, else torch."""
    device: str = "auto"
    """Where the network learns: auto, cpu, cuda or cuda:N."""
    num_threads: int = 0
    """CPU threads for the network; 0 chooses one for torch, all cores for compiled kernels."""
    seed: int = 1
    """Every random stream of the run is derived from it."""
    quiet: bool = False
    """Print nothing but warnings and errors."""
    log_dir: str = "logs"
    """Folder that run folders are created in."""
    run_name: str = "vecac"
    """Part of the run folder's name."""
    log_interval: int = 0
    """Env steps between two log rows; 0 is total_timesteps / 200."""
    checkpoint_interval: float = 60.0
    """Seconds between two checkpoints; changes no number."""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self)).items():
            value = getattr(self, name)
            if hint is int and isinstance(value, float) and value.is_integer():
                object.__setattr__(self, name, int(value))
            _check_type(name, getattr(self, name), hint)
        for name, (holds, wanted) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not holds(value):
                raise UsageError(f"{flag(name)} must be {wanted}, not {value!r}")
        if self.num_envs * self.n_rollout > MAX_ROLLOUT:
            raise UsageError(
                f"--num-envs times --n-rollout must be at most {MAX_ROLLOUT:,}, not "
                f"{self.num_envs * self.n_rollout:,}: that is the size of a rollout in memory"
            )
        self._check_combinations()

    def _check_combinations(self) -> None:
        """Refuse flags that the chosen engine or learner could only ignore."""
        engine = f"--engine {self.engine}"
        if self.engine != "async":
            remedy = "it concerns worker processes, so leave it out or use --engine async"
            self._refuse(engine, remedy, *WITHOUT_WORKERS)
        if self.engine == "fused":
            remedy = "leave it out, or use --engine sync or vector"
            self._refuse(engine, remedy, "td_lambda", "autoreset_mode")
            if self.learner == "torch":
                raise UsageError(
                    f"--learner torch does not go with {engine}, which learns by itself: {remedy}"
                )
        by_kernels = engine if self.engine == "fused" else "--learner compiled"
        if self.engine == "fused" or self.learner == "compiled":
            self._refuse(by_kernels, "leave it out, or use --learner torch", "td_lambda")
            if self.device.startswith("cuda"):
                raise UsageError(
                    f"--device {self.device} does not go with {by_kernels}, which runs on the CPU: use "
                    "--device cpu, or --learner torch with --engine sync or vector"
                )

    def _refuse(self, beside: str, remedy: str, *fields: str) -> None:
        for name in fields:
            value = getattr(self, name)
            if value != Config.__dataclass_fields__[name].default:
                raise UsageError(f"{typed(name, value)} does not go with {beside}: {remedy}")

    @property
    def log_every(self) -> int:
        """Env steps between two log rows, resolved."""
        return self.log_interval or max(1, self.total_timesteps // 200)

    def to_dict(self) -> dict[str, Any]:
        """Every field as a JSON-ready value."""
        return dataclasses.asdict(self)


def require_fields(names: Iterable[str]) -> None:
    """Refuse a name that is no field of Config.

    Raises:
        UsageError: it names the nearest field.
    """
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
    "env_id": "environment",
    "n_rollout": "algorithm",
    "hidden_size": "network",
    "total_timesteps": "running",
    "log_dir": "recording",
}
"""The first field of each group of flags, and what the group is called in --help and docs/reference.md."""


def flag(field: str) -> str:
    """The command-line spelling of a field."""
    return "--" + field.replace("_", "-")


def typed(field: str, value: Any) -> str:
    """A flag with its value, as one would type it."""
    if isinstance(value, bool):
        return flag(field) if value else f"--no-{flag(field).removeprefix('--')}"
    return f"{flag(field)} {value}"


Rule = tuple[Callable[[Any], bool], str]


def _at_least(bound: int) -> Rule:
    return lambda value: value >= bound, f"{bound} or more"


def _between(low: float, high: float) -> Rule:
    return lambda value: low <= value <= high, f"between {low:,} and {high:,}"


_POSITIVE: Rule = (lambda value: value > 0, "greater than 0")
_FRACTION: Rule = (lambda value: 0 <= value <= 1, "between 0 and 1")
_NOT_EMPTY: Rule = (lambda value: value.strip() != "" and "\0" not in value, "a name that is not empty")
_RUN_NAME: Rule = (
    lambda value: value.strip() != "" and len(value) <= 100,
    "a name of 1 to 100 characters",
)
_SEED: Rule = (lambda value: 0 <= value < 2**63, "between 0 and 2**63 - 1")
# What pipes can be waited for: poll has 31 bits of milliseconds, and 0 microseconds are no limit to a socket.
_STEP_TIMEOUT = _between(0.001, 1_000_000)
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
    "seed": _SEED,
    "log_dir": _NOT_EMPTY,
    "run_name": _RUN_NAME,
    "log_interval": _at_least(0),
    "step_timeout": _STEP_TIMEOUT,
    "checkpoint_interval": _POSITIVE,
    "eval_episodes": _at_least(0),
    "eval_max_steps": _at_least(0),
}


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
