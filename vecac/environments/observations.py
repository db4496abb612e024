"""What an environment shows, checked against its space and made one row of numbers."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space, iterate
from numpy.typing import NDArray

from vecac.errors import EnvironmentFault, UsageError

SUPPORTED = "Box, Discrete, MultiDiscrete, MultiBinary, and Dict and Tuple of these"


def require_observation_space(env_id: str, space: Any) -> None:
    """Refuse, with a UsageError that shows the space, what has no fixed number of numbers."""
    said = f"--env-id {env_id} has the observation space {space}"
    if not _is_supported(space):
        raise UsageError(f"{said}: only {SUPPORTED} are supported")
    if _has_picture(space):
        raise UsageError(
            f"{said}: pictures are not supported, as vecac has no convolutional network; have the "
            "environment show numbers, or put a --wrapper around it that makes features of its pictures"
        )
    if spaces.flatdim(space) == 0:
        raise UsageError(f"{said}: there is nothing in it to learn from")


def is_flat(space: spaces.Space[Any]) -> bool:
    """Whether its observations are rows of numbers as they are: a Box of one dimension."""
    return isinstance(space, spaces.Box) and len(space.shape) == 1


def flattened(space: spaces.Space[Any], obs: Any, who: str) -> NDArray[np.float32]:
    """An observation as gymnasium.spaces.flatten makes it one row (D,), float32, all of it checked first.

    Raises:
        EnvironmentFault: it is not one of the space, or has numbers that float32 does not; "{who} returned".
    """
    return np.asarray(spaces.flatten(space, checked(space, obs, who, "observation")), np.float32)


class Rows:
    """Makes what a vector environment hands out rows of numbers; single copies of ours already have."""

    def __init__(self, space: spaces.Space[Any], num_envs: int) -> None:
        self._space, self._batch_space = space, batch_space(space, num_envs)
        self._is_flat, self.obs_size = is_flat(space), spaces.flatdim(space)

    def of_all(self, raw_obs: Any) -> Any:
        """The observations (N, D) of all copies; EnvironmentFault as `flattened`."""
        if self._is_flat:
            return raw_obs
        copies = iterate(self._batch_space, raw_obs)
        return np.stack([self.of_one(obs, index) for index, obs in enumerate(copies)])

    def of_one(self, obs: Any, index: int) -> NDArray[Any]:
        """The observation (D,) of copy `index`."""
        return np.asarray(obs) if self._is_flat else flattened(self._space, obs, f"environment {index}")


def as_batch(space: spaces.Space[Any], obs: Any) -> tuple[int, Any]:
    """One observation, which is a batch of one, or N of them, as a vector environment shows N; and N.

    Raises:
        EnvironmentFault: they are neither.
    """
    counts: set[int] = set()
    batch = _with_batch_axis(space, obs, counts)
    if len(counts) != 1:
        raise EnvironmentFault(f"its parts are batches of {' and '.join(map(str, sorted(counts)))}")
    return counts.pop(), batch


def _with_batch_axis(space: spaces.Space[Any], obs: Any, counts: set[int]) -> Any:
    """The same with arrays that have a first axis for the batch, whose lengths are added to counts."""
    if isinstance(space, spaces.Dict):
        if not isinstance(obs, Mapping) or set(obs) != set(space.spaces):
            raise EnvironmentFault(f"{obs!r} has not the keys of {space}")
        return {name: _with_batch_axis(part, obs[name], counts) for name, part in space.spaces.items()}
    if isinstance(space, spaces.Tuple):
        if not isinstance(obs, tuple | list) or len(obs) != len(space.spaces):
            raise EnvironmentFault(f"{obs!r} has not the parts of {space}")
        pairs = zip(space.spaces, obs, strict=True)
        return tuple(_with_batch_axis(part, item, counts) for part, item in pairs)
    array, shape = np.asarray(obs), space.shape or ()
    array = array[None] if array.ndim == len(shape) else array
    if array.ndim == 0 or array.shape[1:] != shape:
        raise EnvironmentFault(f"an observation has the shape {shape}, not {np.shape(obs)}")
    counts.add(len(array))
    return array


def checked(space: spaces.Space[Any], obs: Any, who: str, what: str) -> Any:
    """An observation in the dtypes of its space, if it is one: bounds of a Box are not looked at.

    Raises:
        EnvironmentFault: it is none: "{who} returned the {what} ...".
    """
    if isinstance(space, spaces.Dict):
        if not isinstance(obs, Mapping) or set(obs) != set(space.spaces):
            raise EnvironmentFault(f"{who} returned the {what} {obs!r}, which has not the keys of {space}")
        parts = space.spaces.items()
        return {name: checked(part, obs[name], who, f"{what} {name!r}") for name, part in parts}
    if isinstance(space, spaces.Tuple):
        if not isinstance(obs, tuple | list) or len(obs) != len(space.spaces):
            raise EnvironmentFault(f"{who} returned the {what} {obs!r}, which has not the parts of {space}")
        numbered = enumerate(zip(space.spaces, obs, strict=True))
        return tuple(checked(part, item, who, f"{what} {index}") for index, (part, item) in numbered)
    array = checked_array(space, obs, who, what)
    if isinstance(space, spaces.Box):
        _require_finite(array, who, what)
    elif not space.contains(array if array.ndim else array[()]):
        raise EnvironmentFault(f"{who} returned the {what} {array.tolist()}, which is not in {space}")
    return array


def checked_array(space: spaces.Space[Any], obs: Any, who: str, what: str = "observation") -> NDArray[Any]:
    """The part of `checked` that is about shape and dtype, of a space that has them."""
    array = np.asarray(obs)
    if array.shape != space.shape:
        raise EnvironmentFault(
            f"{who} returned an {what} of shape {array.shape}, but its observation space says {space.shape}"
        )
    return array if array.dtype == space.dtype else _converted(array, space.dtype, who, what)


def _converted(array: NDArray[Any], dtype: Any, who: str, what: str) -> NDArray[Any]:
    """In its space's dtype, if that holds it: floats up to rounding and overflow, integers exactly."""
    if array.dtype.kind in "fiub":
        with np.errstate(over="ignore", invalid="ignore"):
            converted = array.astype(dtype)
        if converted.dtype.kind == "f" or np.array_equal(converted, array):
            return converted
    raise EnvironmentFault(
        f"{who} returned the {what} {array.tolist()}, which its observation space's dtype {dtype} cannot hold"
    )


def _require_finite(array: NDArray[Any], who: str, what: str) -> None:
    with np.errstate(over="ignore"):
        finite = np.isfinite(array.astype(np.float32))
    if not finite.all():
        raise EnvironmentFault(
            f"{who} returned the {what} {array.tolist()}; only finite float32 numbers can be learned from"
        )


def _is_supported(space: Any) -> bool:
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return all(map(_is_supported, _parts(space)))
    return isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary)


def _has_picture(space: Any) -> bool:
    if isinstance(space, spaces.Dict | spaces.Tuple):
        return any(map(_has_picture, _parts(space)))
    return isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) >= 3


def _parts(space: Any) -> Iterable[Any]:
    parts: Iterable[Any] = space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces
    return parts
