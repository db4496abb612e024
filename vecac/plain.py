"""Arrays as tensors and back: torch.load(weights_only=True) takes tensors, but no NumPy arrays.

Tensors come from the CPU, since one that is saved on a GPU cannot be loaded where there is none.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_tensors(value: Any) -> Any:
    """The value with every array in it, however deep in lists, tuples and dicts, as a tensor on the CPU.

    Arrays of records become their bytes; NumPy's scalars become 0-d tensors; a tensor that is on the CPU
    already stays the same.
    """
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        return torch.from_numpy(array.view(np.uint8) if array.dtype.names else array.copy())
    if isinstance(value, dict):
        return {key: to_tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_tensors(item) for item in value)
    return value


def to_arrays(value: Any) -> Any:
    """What `to_tensors` was given, but for records and 0-d arrays, which come as bytes and as scalars."""
    if isinstance(value, Tensor):
        array = value.numpy()
        return array if array.ndim else array[()]
    if isinstance(value, dict):
        return {key: to_arrays(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_arrays(item) for item in value)
    return value


def fill(array: NDArray[Any], saved: Tensor) -> None:
    """Put what `to_tensors` made of an array back into one of the same dtype and shape, else ValueError."""
    source = saved.numpy()
    if array.dtype.names:
        source = source.view(array.dtype)
    array[...] = require_like(source, array)


def require_like(value: Any, model: NDArray[Any]) -> NDArray[Any]:
    """The value as an array, if that has the model's dtype and shape, else ValueError."""
    array = np.asarray(value)
    if array.dtype != model.dtype or array.shape != model.shape:
        raise ValueError(f"{array.dtype} {array.shape} where {model.dtype} {model.shape} belongs")
    return array


def require_count(value: Any) -> int:
    """The value, if it is an int from 0 that fits into 64 bits with its sign, else ValueError."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is no count")
    return value


def require_number(value: Any) -> float:
    """The value as a float, if it is one or an int, else ValueError."""
    if type(value) not in (int, float):
        raise ValueError(f"{value!r} is no number")
    return float(value)
