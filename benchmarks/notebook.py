"""The notebook that vecac grew out of, "TD Actor-Critic on CartPole", on Gymnasium's present API.

The yardstick of the throughput benchmark, so it is what such a notebook is: one environment, Python
lists, a policy call and a sampled action a step, an update every 10 steps or where the episode ends.
Nothing is slowed down and nothing is sped up. As in the notebook, `done` is terminated or truncated.
"""

from typing import NamedTuple

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Categorical

LEARNING_RATE = 0.0002
GAMMA = 0.98
N_ROLLOUT = 10


class Step(NamedTuple):
    """One transition as the notebook keeps it."""

    s: NDArray[np.float32]
    a: int
    r: float
    s_prime: NDArray[np.float32]
    done: bool


class ActorCritic(nn.Module):
    """A shared hidden layer, a softmax policy and a value."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(4, 256)
        self.fc_pi = nn.Linear(256, 2)
        self.fc_v = nn.Linear(256, 1)

    def pi(self, s: Tensor) -> Tensor:
        """Action probabilities (..., 2)."""
        return F.softmax(self.fc_pi(F.relu(self.fc1(s))), dim=-1)

    def v(self, s: Tensor) -> Tensor:
        """State values (..., 1)."""
        value: Tensor = self.fc_v(F.relu(self.fc1(s)))
        return value


class Notebook:
    """The notebook's training loop, which `advance` moves on by one update."""

    num_threads = 1

    def __init__(self, seed: int = 1) -> None:
        torch.manual_seed(seed)
        self.env = gym.make("CartPole-v1")
        self.model = ActorCritic()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE)
        self.scores: list[float] = []
        self._score = 0.0
        self._s, _ = self.env.reset(seed=seed)

    def advance(self) -> int:
        """Act for 10 steps or until the episode ends, then update once; returns the env steps taken."""
        data: list[Step] = []
        done = False
        while len(data) < N_ROLLOUT and not done:
            prob = self.model.pi(torch.from_numpy(self._s))
            a = int(Categorical(prob).sample().item())  # type: ignore[no-untyped-call]
            s_prime, r, terminated, truncated, _ = self.env.step(a)
            done = terminated or truncated
            data.append(Step(self._s, a, float(r), s_prime, done))
            self._s = s_prime
            self._score += float(r)
        update(self.model, self.optimizer, data)
        if done:
            self.scores.append(self._score)
            self._score = 0.0
            self._s, _ = self.env.reset()
        return len(data)

    def close(self) -> None:
        """Close the environment."""
        self.env.close()


def make_batch(data: list[Step]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The lists as tensors: s (B, 4), a, r / 100 (B, 1), s_prime (B, 4), and 0 where done, else 1 (B, 1)."""
    s, a, r, s_prime, not_done = [], [], [], [], []
    for step in data:
        s.append(step.s)
        a.append([step.a])
        r.append([step.r / 100.0])
        s_prime.append(step.s_prime)
        not_done.append([0.0 if step.done else 1.0])
    return (
        torch.tensor(np.array(s), dtype=torch.float),
        torch.tensor(a),
        torch.tensor(r, dtype=torch.float),
        torch.tensor(np.array(s_prime), dtype=torch.float),
        torch.tensor(not_done, dtype=torch.float),
    )


def update(model: ActorCritic, optimizer: torch.optim.Optimizer, data: list[Step]) -> Tensor:
    """One Adam step on the mean loss of the batch; returns that loss, 0-d."""
    s, a, r, s_prime, not_done = make_batch(data)
    td_target = r + GAMMA * model.v(s_prime) * not_done
    value = model.v(s)
    delta = td_target - value
    pi_a = model.pi(s).gather(1, a)
    loss = -torch.log(pi_a) * delta.detach() + F.smooth_l1_loss(value, td_target.detach())

    optimizer.zero_grad()
    mean_loss = loss.mean()
    mean_loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return mean_loss.detach()
