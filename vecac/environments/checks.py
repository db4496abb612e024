"""What environments hand out, as the learner may take it, or a fault that names who handed it out."""

import math
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


def require_shape(what: str, array: NDArray[Any], shape: tuple[int, ...], index: int | None = None) -> None:
    """Refuse an array of another shape.

    Args:
        what: the name of what was returned.
        array: of one environment, or of all.
        shape: the right one.
        index: the environment; None for the vector environment as a whole.

    Raises:
        EnvironmentFault: the shape is another.
    """
    if array.shape != shape:
        who = "the vector environment" if index is None else f"environment {index}"
        raise EnvironmentFault(f"{who} returned {what} of shape {array.shape}, expected {shape}")


def require_finite(what: str, array: NDArray[np.float32]) -> None:
    """Refuse NaN and infinity in an array (N, ...) of all environments.

    Raises:
        EnvironmentFault: the first environment that returned such a number.
    """
    # One dot product instead of a mask: it is not finite if any number is not. It may also overflow,
    # hence the second look.
    if math.isfinite(np.vdot(array, array)):
        return
    finite = np.isfinite(array)
    if not finite.all():
        index = int(np.argwhere(~finite)[0, 0])
        raise EnvironmentFault(
            f"environment {index} returned the {what} {array[index].tolist()}; only finite float32 numbers "
            "can be learned from"
        )
