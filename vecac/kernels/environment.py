"""What the fused engine needs to know of an environment."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vecac.errors import UsageError


@dataclass(frozen=True)
class CompiledEnvironment:
    """An environment as three pure functions on tuples of floats, in Python that numba compiles.

    reset: uniforms (num_uniforms,) in [0, 1) -> state (state_size,).
    step: (state, action in [0, num_actions)) -> (state, reward, terminated). Time limits are not its
        business: the limit is the registered one.
    observe: state -> obs (obs_size,), rounded to float32 by who asks.

    They are compiled one by one, without fast arithmetic. A function that they call must be decorated
    with numba.extending.register_jitable. Constants are as they stand when a run starts.

    Raises:
        UsageError: a size is no int from 1.
    """

    reset: Callable[[Any], Any]
    step: Callable[[Any, int], Any]
    observe: Callable[[Any], Any]
    num_uniforms: int
    state_size: int
    obs_size: int
    num_actions: int

    def __post_init__(self) -> None:
        for name in ("num_uniforms", "state_size", "obs_size", "num_actions"):
            size = getattr(self, name)
            if type(size) is not int or size < 1:
                raise UsageError(f"a compiled environment's {name} is {size!r}, which must be an int from 1")
