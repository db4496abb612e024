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
    action_bounds: or an action is a tuple of floats, clipped to these bounds, a pair (low, high) for each, as
        float32 rounds both; infinite ones are none.

    They are compiled one by one, without fast arithmetic. A function that they call must be decorated
    with numba.extending.register_jitable. Constants are as they stand when a run starts.

    Raises:
        UsageError: a size is no int from 1; there are no actions, or two kinds of them; bounds are none.
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
        left_out = [
            isinstance(given, tuple) and not given for given in (self.num_actions, self.action_bounds)
        ]
        if sum(left_out) != 1:
            raise UsageError("a compiled environment has either num_actions or action_bounds")
        for size in self.num_actions if isinstance(self.num_actions, tuple) else (self.num_actions,):
            _require_size("num_actions", size)
        if not isinstance(self.action_bounds, tuple) or not all(map(_are_bounds, self.action_bounds)):
            raise UsageError(
                f"a compiled environment's action_bounds are {self.action_bounds!r}, which must be a tuple "
                "with a pair (low, high) for each number of an action"
            )

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


def _are_bounds(pair: Any) -> bool:
    """Whether they are two floats with a finite number between them."""
    if not isinstance(pair, tuple) or [isinstance(bound, int | float) for bound in pair] != [True, True]:
        return False
    low, high = pair
    return bool(low <= high and low < math.inf and high > -math.inf)
