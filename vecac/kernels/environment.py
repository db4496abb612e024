"""What the fused engine needs to know of an environment."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CompiledEnvironment:
    """An environment as three pure functions on tuples of floats, in Python that numba compiles.

    reset: uniforms (num_uniforms,) in [0, 1) -> state (state_size,).
    step: (state, action in [0, num_actions)) -> (state, reward, terminated). Time limits are not its
        business: the limit is the registered one.
    observe: state -> obs (obs_size,), rounded to float32 by who asks.

    They are compiled one by one, without fast arithmetic. A function that they call must be decorated
    with numba.extending.register_jitable, and be in the same file or change no more: the cache on
    disk looks at the file that `step` is in.
    """

    reset: Callable[[Any], Any]
    step: Callable[[Any, int], Any]
    observe: Callable[[Any], Any]
    num_uniforms: int
    state_size: int
    obs_size: int
    num_actions: int
