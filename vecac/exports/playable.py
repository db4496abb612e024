"""A policy as one torch module, from rows of numbers to what its environment takes: what is exported.

Shapes: N environments, D observation size, O outputs of a policy, U numbers of an action.
"""

from typing import Any

import torch
from torch import Tensor, nn

from vecac.algorithm.heads import Gaussian
from vecac.environments.vector import spaces_of
from vecac.runs.loaded_policy import require_form
from vecac.runs.saved_policy import SavedPolicy


class PlayablePolicy(nn.Module):
    """The network, with its normalisation, and the most probable action as the environment takes it.

    Args:
        saved: its environment is made once, to be asked for its spaces.

    Raises:
        UsageError: that cannot be made, or is not the one that the policy was trained on.
    """

    start: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, saved: SavedPolicy) -> None:
        super().__init__()
        spaces = spaces_of(saved.config)
        require_form(saved.config.env_id, saved.network.spec, spaces.obs_size, spaces.form)
        self.network, self.form = saved.network, spaces.form
        self.shape: tuple[int, ...] = spaces.action.shape
        is_box = spaces.form.kind == "box"
        dtype = torch.from_numpy(torch.zeros(0).numpy().astype(spaces.action.dtype)).dtype
        self._dtype = dtype if is_box else torch.int64
        self.register_buffer("start", _filled(getattr(spaces.action, "start", 0), self.shape, torch.int64))
        for name in ("low", "high"):
            self.register_buffer(name, _filled(getattr(spaces.action, name, 0), self.shape, self._dtype))

    def forward(self, obs: Tensor) -> dict[str, Tensor]:
        """Of observations (N, D) float32, each one flattened as gymnasium.spaces.flatten does.

        Returns:
            action (N, ...); logits (N, O), or, of real numbers, their mean (N, U) and std (U,); value (N,).
        """
        outputs, value = self.network(obs)
        found = {"action": self.action(outputs)}
        if self.form.kind == "box":
            assert isinstance(self.network.head, Gaussian)
            found |= {"mean": outputs, "std": self.network.head.log_std.exp()}
        else:
            found["logits"] = outputs
        return {**found, "value": value}

    def action(self, outputs: Tensor) -> Tensor:
        """The most probable actions (N, ...) by a network's outputs (N, O), as the environment takes them."""
        action = self.network.head.greedy(outputs).reshape(-1, *self.shape).to(self._dtype)
        return action.clamp(self.low, self.high) if self.form.kind == "box" else action + self.start


def _filled(value: Any, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.broadcast_to(torch.as_tensor(value), shape).to(dtype).clone()
