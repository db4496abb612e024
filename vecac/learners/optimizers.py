"""The optimisers, and what their state has to be for a network."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vecac.config_parts import LearningSettings

MOMENTS = {"adam": ("exp_avg", "exp_avg_sq"), "rmsprop": ("square_avg",)}
"""What each keeps in the shape of every parameter."""

EPSILONS = {"adam": 1e-8, "rmsprop": 1e-5}
"""The notebook's, and that of Stable-Baselines3's A2C."""


def make_optimizer(settings: LearningSettings, network: nn.Module) -> torch.optim.Optimizer:
    """torch's Adam, or its RMSprop with alpha 0.99."""
    parameters, learning_rate = network.parameters(), settings.learning_rate
    eps = epsilon_of(settings)
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=learning_rate, alpha=0.99, eps=eps)
    return torch.optim.Adam(parameters, lr=learning_rate, eps=eps, fused=True)


def epsilon_of(settings: LearningSettings) -> float:
    """What was asked for, or else the optimiser's own."""
    return EPSILONS[settings.optimizer] if settings.optimizer_eps is None else settings.optimizer_eps


def learning_rate_of(optimizer_state: Mapping[str, Any]) -> float:
    """The rate of the last update, from an optimiser's state_dict."""
    return float(optimizer_state["param_groups"][0]["lr"])


def laid_out_alike(
    parameters: Sequence[Tensor], state: Mapping[int, Mapping[str, Tensor]]
) -> dict[int, dict[str, Tensor]]:
    """An optimiser's state, every moment in memory as its parameter is, which those of kernels need not be:
    torch's fused Adam goes through both by memory, and would take one number's moments for another's."""
    return {
        index: {
            name: torch.empty_like(parameters[index]).copy_(moment) if moment.dim() else moment
            for name, moment in moments.items()
        }
        for index, moments in state.items()
    }


def require_moments(optimizer: str, network: nn.Module, state: Mapping[str, Any]) -> None:
    """Refuse a state_dict of another optimiser or network, which torch would fall over in the next update.

    Raises:
        ValueError, LookupError, AttributeError: it is one.
    """
    for index, parameter in enumerate(network.parameters()):
        shapes = {"step": (), **dict.fromkeys(MOMENTS[optimizer], parameter.shape)}
        for name, shape in shapes.items() if state["state"] else ():
            saved = state["state"][index][name].shape
            if saved != shape:
                raise ValueError(f"{name} {tuple(saved)} where {tuple(shape)} belongs")
