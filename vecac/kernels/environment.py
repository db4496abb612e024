"""What the fused engine needs to know of an environment."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vecac.actions import ActionForm
from vecac.errors import UsageError


@dataclass(frozen=True)
class CompiledEnvironment:
    """An environment as three pure functions on tuples of floats, in Python that numba compiles.

    reset: uniforms (num_uniforms,) in [0, 1) -> state (state_size,).
    step: (state, action) -> (state, reward, terminated). Time limits are not its business: the limit is the
        registered one.
    observe: state -> obs (obs_size,), rounded to float32 by who asks.
    num_actions: an action is an int in [0, num_actions); or, of a tuple of such numbers, a tuple of ints.
    action_bounds: or an action is a tuple of floats, each of which float32 holds and which lies within
        these bounds, a pair (low, high) for each; infinite ones are none.

    They are compiled one by one, without fast arithmetic. A function that they call must be decorated
    with numba.extending.register_jitable. Constants are as they stand when a run starts.

    Raises:
        UsageError: a size is no int from 1; there are no actions, or two kinds of them; a bound is no number.
    """

    reset: Callable[[Any], Any]
    step: Callable[[Any, Any], Any]
    observe: Callable[[Any], Any]
    num_uniforms: int
    state_size: int
    obs_size: int
    num_actions: int | tuple[int, ...] = ()
    action_bounds: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        for name in ("num_uniforms", "state_size", "obs_size"):
            _require_size(name, getattr(self, name))
        if (self.num_actions == ()) == (self.action_bounds == ()):
            raise UsageError("a compiled environment has either num_actions or action_bounds")
        choices = self.num_actions if isinstance(self.num_actions, tuple) else (self.num_actions,)
        for choice in choices:
            _require_size("num_actions", choice)
        for low, high in self.action_bounds:
            if math.isnan(low) or math.isnan(high) or low > high:
                raise UsageError(f"a compiled environment's action_bounds have ({low}, {high})")

    @property
    def action(self) -> ActionForm:
        """The form of an action."""
        if self.action_bounds:
            return ActionForm("box", (len(self.action_bounds),))
        if isinstance(self.num_actions, tuple):
            return ActionForm("multi-discrete", self.num_actions)
        return ActionForm("discrete", (self.num_actions,))


def _require_size(name: str, size: Any) -> None:
    if type(size) is not int or size < 1:
        raise UsageError(f"a compiled environment's {name} is {size!r}, which must be an int from 1")
