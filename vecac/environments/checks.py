"""What environments hand out, as the learner may take it, or a fault that names who handed it out."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vecac.errors import EnvironmentFault


def to_float32(numbers: Any) -> NDArray[np.float32]:
    """A copy in C order; what is beyond float32 becomes infinite, in silence."""
    if isinstance(numbers, np.ndarray) and numbers.dtype == np.float32:
        return np.array(numbers, order="C")
    with np.errstate(over="ignore"):
        return np.array(numbers, dtype=np.float32, order="C")


def to_observations(raw_obs: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A float32 copy in C order, checked: an environment may reuse or share what it returned.

    Raises:
        EnvironmentFault: it is of another shape than (N, D), or not finite.
    """
    obs = to_float32(raw_obs)
    require_shape("observations", obs, shape)
    require_finite("observation", obs)
    return obs


def with_final_obs(
    raw_obs: NDArray[np.float32],
    ended_N: NDArray[np.bool_],
    info: dict[str, Any],
    flatten: Callable[[Any, int], NDArray[Any]],
) -> NDArray[np.float32]:
    """The true successors (N, D) of a same-step row: where an episode ended, the final observation.

    `flatten` makes one of environment `index` a row.

    Raises:
        EnvironmentFault: one is missing, of another shape or not finite.
    """
    if "final_obs" not in info:
        raise EnvironmentFault(
            f"environment {int(ended_N.argmax())} ended an episode in same-step mode "
            'without info["final_obs"], so its true last observation is unknown'
        )
    next_obs = raw_obs.copy()
    for index in np.flatnonzero(ended_N):
        final_obs = np.asarray(flatten(info["final_obs"][index], int(index)), np.float32)
        require_shape("final observation", final_obs, next_obs[index].shape, int(index))
        next_obs[index] = final_obs
    require_finite("observation", next_obs)
    return next_obs


def require_shape(what: str, array: NDArray[Any], shape: tuple[int, ...], index: int | None = None) -> None:
    """Refuse, with an EnvironmentFault, another shape of what environment `index`, or all (None), gave."""
    if array.shape != shape:
        who = "the vector environment" if index is None else f"environment {index}"
        raise EnvironmentFault(f"{who} returned {what} of shape {array.shape}, expected {shape}")


def require_finite(what: str, array: NDArray[np.float32]) -> None:
    """Refuse NaN and infinity in an array (N, ...) of all environments.

    Raises:
        EnvironmentFault: the first environment that returned such a number.
    """
    # One dot product instead of a mask: not finite if any number is not, but it may overflow too.
    if math.isfinite(np.vdot(array, array)):
        return
    finite = np.isfinite(array)
    if not finite.all():
        index = int(np.argwhere(~finite)[0, 0])
        raise EnvironmentFault(
            f"environment {index} returned the {what} {array[index].tolist()}; only finite float32 numbers "
            "can be learned from"
        )
