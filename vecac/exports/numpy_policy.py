"""A policy that was exported to .npz, played by NumPy alone.

Shapes: N environments, D observation size, O outputs of a policy.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

ACTIVATIONS: Mapping[str, Callable[[Any], Any]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


def outputs_of(policy: Mapping[str, Any], obs: NDArray[Any], hidden: str, top: str) -> NDArray[Any]:
    """What the layer `top`, policy or value, makes of observations (N, D) behind its hidden layers."""
    x = np.clip((obs - policy["obs_shift"]) * policy["obs_scale"], -policy["obs_clip"], policy["obs_clip"])
    activation = ACTIVATIONS[str(policy["activation"])]
    for layer in range(1, 1 + int(policy["num_hidden"])):
        x = activation(x @ policy[f"{hidden}{layer}_weight"] + policy[f"{hidden}{layer}_bias"])
    result: NDArray[Any] = x @ policy[f"{top}_weight"] + policy[f"{top}_bias"]
    return result


def act(policy: Mapping[str, Any], obs: NDArray[Any]) -> NDArray[Any]:
    """The most probable actions (N, ...) on observations (N, D) float32, as the environment takes them."""
    outputs, kind = outputs_of(policy, obs, "policy_hidden", "policy"), str(policy["action_kind"])
    action, shape = outputs, (-1, *policy["action_shape"])
    if kind == "box":
        result: NDArray[Any] = np.clip(outputs.reshape(shape), policy["action_low"], policy["action_high"])
        return result
    if kind == "multi-binary":
        action = outputs > 0
    else:  # the largest of each group of outputs
        groups = np.split(outputs, np.cumsum(policy["action_sizes"])[:-1], axis=-1)
        action = np.stack([group.argmax(axis=-1) for group in groups], axis=-1)
    chosen: NDArray[Any] = action.reshape(shape) + policy["action_start"]
    return chosen
