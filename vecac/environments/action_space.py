"""From an environment's action space to the form of an action, and from a policy's actions to its own."""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from vecac.actions import ActionForm
from vecac.errors import RunFault, UsageError


def action_form(env_id: str, space: Any) -> ActionForm:
    """The form of a space's actions; UsageError shows a space that has none, or nothing to choose."""
    form = _form(space)
    if form is None or not form.sizes or 0 in form.sizes:
        raise UsageError(
            f"--env-id {env_id} has the action space {space}: only Discrete, MultiDiscrete, MultiBinary and "
            "a Box of floats are supported"
        )
    return form


def _form(space: Any) -> ActionForm | None:
    if isinstance(space, spaces.Discrete):
        return ActionForm("discrete", (int(space.n),))
    if isinstance(space, spaces.MultiDiscrete):
        return ActionForm("multi-discrete", tuple(map(int, space.nvec.flat)))
    if isinstance(space, spaces.MultiBinary):
        return ActionForm("multi-binary", (int(np.prod(space.shape)),))
    if isinstance(space, spaces.Box) and space.dtype.kind == "f":
        return ActionForm("box", (int(np.prod(space.shape)),))
    return None


class ActionSender:
    """Makes a policy's actions those that N environments of one action space take.

    Choices are counted from the space's start; real numbers are clipped to its bounds, as in
    Stable-Baselines3.
    """

    def __init__(self, form: ActionForm, space: Any, num_envs: int) -> None:
        self._form, self._space = form, space
        self._shape = num_envs, *form.shape
        self._sent_shape = num_envs, *space.shape
        # And None where nothing has to be added: that is some operations less a step.
        self._is_as_sent = form.kind == "discrete" and space.dtype == form.dtype
        start = getattr(space, "start", 0)
        self._start = start if np.any(start) else None

    def send(self, action: NDArray[Any]) -> NDArray[Any]:
        """Actions (N, ...) of the form, as the vector environment takes them.

        Raises:
            ValueError: they are of another shape or kind. It is checked before anything is sent: a worker
                left out would be out of step ever after.
            RunFault: a real number is none.
        """
        action, is_box = np.asarray(action), self._form.kind == "box"
        if action.shape != self._shape or action.dtype.kind != ("f" if is_box else "i"):
            kind = "floats" if is_box else "integers"
            raise ValueError(f"action must be {self._shape} {kind}, not {action.shape} {action.dtype}")
        if not self._is_as_sent:
            action = action.reshape(self._sent_shape).astype(self._space.dtype)
        if is_box:
            if not np.isfinite(action).all():
                remedy = "lower --learning-rate or set --max-grad-norm"
                raise RunFault(f"the policy draws actions that are not finite: {remedy}")
            # In the space's own dtype, in which its bounds are; np.clip would go through Python first.
            clipped: NDArray[Any] = np.minimum(np.maximum(action, self._space.low), self._space.high)
            return clipped
        return action if self._start is None else action + self._start
