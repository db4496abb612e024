import numpy as np
import torch

from vecac.algorithm.network import ACTIVATIONS as TORCHS
from vecac.exports.numpy_policy import ACTIVATIONS, act


def test_activations_are_torchs():
    x = np.linspace(-6, 6, 101, dtype=np.float32)
    assert ACTIVATIONS.keys() == TORCHS.keys()
    for name, activation in ACTIVATIONS.items():
        expected = TORCHS[name][0](torch.from_numpy(x)).numpy()
        np.testing.assert_allclose(activation(x), expected, atol=1e-6)


def policy(kind, sizes, shape, outputs, **bounds):
    """One whose outputs are what its last bias says."""
    return {
        "obs_shift": 0.0, "obs_scale": 1.0, "obs_clip": np.inf, "activation": "relu", "num_hidden": 0,
        "policy_weight": np.zeros((1, len(outputs))), "policy_bias": np.array(outputs), "action_kind": kind,
        "action_sizes": np.array(sizes), "action_shape": np.array(shape, int), **bounds,
    }  # fmt: skip


def test_each_kind_of_action():
    obs = np.zeros((2, 1))
    assert act(policy("discrete", [3], [], [0.1, 0.9, 0.3], action_start=4), obs).tolist() == [5, 5]
    several = policy("multi-discrete", [2, 3], [2], [0.1, 0.0, 1.0, 2.0, 3.0], action_start=[4, 0])
    assert act(several, obs).tolist() == [[4, 2], [4, 2]]
    assert (
        act(policy("multi-binary", [3], [3], [-1.0, 0.5, 0.0], action_start=0), obs).tolist()
        == [[0, 1, 0]] * 2
    )
    bounds = {"action_low": np.array([[-1.0, 0.0]]), "action_high": np.array([[1.0, 2.0]])}
    assert act(policy("box", [2], [1, 2], [-3.0, 0.5], **bounds), obs).tolist() == [[[-1.0, 0.5]]] * 2
