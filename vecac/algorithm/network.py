"""The policy and value network, and how an action is drawn from its logits.

Shapes: D observation size, A actions, H hidden size; `...` is any batch.
"""

import threading
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ActorCritic(nn.Module):
    """One ReLU layer from D to H, a policy head to A, a value head: nn.Linear by default initialisation."""

    def __init__(self, obs_size: int, num_actions: int, hidden_size: int = 256) -> None:
        super().__init__()
        self.fc1 = nn.Linear(obs_size, hidden_size)
        self.fc_pi = nn.Linear(hidden_size, num_actions)
        self.fc_v = nn.Linear(hidden_size, 1)
        # Column-major: torch then computes this weight's gradient as obs.T @ grad, several times
        # faster than grad.T @ obs while D is much smaller than H. Shape and values stay nn.Linear's.
        self.fc1.weight = nn.Parameter(self.fc1.weight.detach().t().contiguous().t())

    def is_finite(self) -> bool:
        """Whether every parameter is a number; waits for the device."""
        return all(bool(parameter.isfinite().all()) for parameter in self.parameters())

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (..., A) and value (...) of observations (..., D)."""
        hidden = torch.relu(self.fc1(obs))
        # Both heads in one product, so that the hidden layer, by far the largest tensor here, is read
        # once forwards and its gradient written once backwards.
        weight = torch.cat((self.fc_pi.weight, self.fc_v.weight))
        bias = torch.cat((self.fc_pi.bias, self.fc_v.bias))
        heads = F.linear(hidden, weight, bias)
        return heads[..., :-1], heads[..., -1]

    def logits(self, obs: Tensor) -> Tensor:
        """Only the policy's logits (..., A): what acting needs."""
        logits: Tensor = self.fc_pi(torch.relu(self.fc1(obs)))
        return logits


_DRAWING = threading.Lock()
"""nn.Linear draws from torch's own generator, of which there is one for all threads."""


def initial_network(obs_size: int, num_actions: int, hidden_size: int, seed: int) -> ActorCritic:
    """The network that a seed leads to; torch's own generators stay as they are."""
    with _DRAWING, torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: that reseeds the generators of all GPUs too, for good.
        torch.default_generator.manual_seed(seed)
        return ActorCritic(obs_size, num_actions, hidden_size)


def gumbel_noise(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Independent standard Gumbel numbers on the generator's device: -log(-log(uniform))."""
    # Not exponential_: on the CPU that draws from a weaker generator than rand does.
    uniform = torch.rand(tuple(shape), generator=generator, device=generator.device)
    return uniform.log_().neg_().log_().neg_()


def sample_action(logits: Tensor, noise: Tensor) -> Tensor:
    """Draw actions (...), int64, from softmax(logits (..., A)), given Gumbel noise (..., A).

    argmax(logits + noise) is distributed as softmax(logits): the Gumbel-max trick (Gumbel 1954). The
    noise can be drawn for many steps at once, which leaves two small operations a step.
    """
    return (logits + noise).argmax(dim=-1)


def greedy_action(logits: Tensor) -> Tensor:
    """The most probable action (...), int64; the first of equals."""
    return logits.argmax(dim=-1)
