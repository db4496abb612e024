"""The policy and value network, and how an action is drawn from its logits.

Shapes: D observation size, A actions, H hidden size; `...` is any batch.
"""

import torch
from torch import Tensor, nn


class ActorCritic(nn.Module):
    """One shared ReLU layer, a policy head and a value head, all nn.Linear by default initialisation.

    Args:
        obs_size: D.
        num_actions: A.
        hidden_size: H.
    """

    def __init__(self, obs_size: int, num_actions: int, hidden_size: int = 256) -> None:
        super().__init__()
        self.fc1 = nn.Linear(obs_size, hidden_size)
        self.fc_pi = nn.Linear(hidden_size, num_actions)
        self.fc_v = nn.Linear(hidden_size, 1)
        # Column-major: torch then computes this weight's gradient as obs.T @ grad, several times
        # faster than grad.T @ obs while D is much smaller than H. Shape and values stay nn.Linear's.
        self.fc1.weight = nn.Parameter(self.fc1.weight.detach().t().contiguous().t())

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (..., A) and value (...) of observations (..., D)."""
        hidden = torch.relu(self.fc1(obs))
        return self.fc_pi(hidden), self.fc_v(hidden).squeeze(-1)

    def logits(self, obs: Tensor) -> Tensor:
        """Only the policy's logits (..., A): what acting needs."""
        logits: Tensor = self.fc_pi(torch.relu(self.fc1(obs)))
        return logits


def sample_action(logits: Tensor, uniform: Tensor) -> Tensor:
    """Draw actions (...), int64, from softmax(logits (..., A)) by inverting its distribution function.

    One uniform number in [0, 1) an action, `uniform` (...), makes the draw reproducible and, for
    small A, several times cheaper than torch.distributions.Categorical.
    """
    cumulative = logits.softmax(dim=-1).cumsum(dim=-1)
    # The last entry, 1 in mathematics, is left out: rounding could put it below `uniform`.
    return (uniform.unsqueeze(-1) >= cumulative[..., :-1]).sum(dim=-1)


def greedy_action(logits: Tensor) -> Tensor:
    """The most probable action (...), int64; the first of equals."""
    return logits.argmax(dim=-1)
