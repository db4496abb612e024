"""The notebook's own numbers (golden/notebook_updates.json) as a network and batches of transitions."""

import json
import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from vecac.algorithm.network import ActorCritic

GOLDEN = json.loads((Path(__file__).parent / "golden" / "notebook_updates.json").read_text())
ROWS = 10


class Batch(NamedTuple):
    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor
    terminated: Tensor


def golden_network() -> ActorCritic:
    """Element i (over all parameters, row-major) of parameter k is 0.1 * sin(0.37 * i + k)."""
    network = ActorCritic(4, 2)
    parameters = dict(network.named_parameters())
    start = 0
    with torch.no_grad():
        for k, description in enumerate(GOLDEN["parameter_order"]):
            parameter = parameters[description.split()[0]]
            numbers = [0.1 * math.sin(0.37 * i + k) for i in range(start, start + parameter.numel())]
            parameter.copy_(torch.tensor(numbers, dtype=torch.float64).reshape(parameter.shape))
            start += parameter.numel()
    return network


def golden_batches() -> list[Batch]:
    """Row z over all updates: see "transitions" in the golden file."""
    return [golden_batch(range(ROWS * i, ROWS * (i + 1))) for i in range(len(GOLDEN["updates"]))]


def golden_batch(rows: range) -> Batch:
    return Batch(
        obs=torch.tensor([golden_obs(z) for z in rows]),
        action=torch.tensor([(z * z + z // 3) % 2 for z in rows]),
        reward=torch.ones(len(rows)),
        next_obs=torch.tensor([golden_obs(z + 1) for z in rows]),
        terminated=torch.tensor([z % 7 == 6 for z in rows]),
    )


def golden_obs(z: int) -> list[float]:
    return [0.5 * math.sin(0.7 * z + j) for j in range(4)]


def assert_close(actual, expected, scale=None):
    """Largest absolute error at most 1e-5 of the largest absolute value (the golden file's tolerance)."""
    expected = torch.as_tensor(expected, dtype=torch.float64)
    scale = expected.abs().max().item() if scale is None else scale
    assert (actual.double() - expected).abs().max().item() <= 1e-5 * scale


def assert_summary(array, summary):
    """The golden file's tolerance: sums to 1e-5 of abs_sum, elements to 1e-5 of the largest."""
    double = array.double()
    assert abs(double.sum().item() - summary["sum"]) <= 1e-5 * summary["abs_sum"]
    assert abs(double.abs().sum().item() - summary["abs_sum"]) <= 1e-5 * summary["abs_sum"]
    first = array.flatten()[: len(summary["first"])]
    assert_close(first, summary["first"], scale=array.abs().max().item())
