"""The policy and value network, built from a spec that checkpoints hold.

Shapes: D observation size, A actions, H hidden size, O outputs of a policy,
U numbers of an action; `...` is any batch.
"""

import dataclasses
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vecac.actions import ActionForm
from vecac.algorithm.heads import make_head
from vecac.algorithm.normalization import ObservationNorm, RunningMoments
from vecac.config_parts import NetworkSettings

Activation = Callable[[Tensor], Tensor]

ACTIVATIONS: Mapping[str, tuple[Activation, Activation]] = {
    "relu": (torch.relu, torch.relu_),
    "tanh": (torch.tanh, torch.tanh_),
    "elu": (F.elu, partial(F.elu, inplace=True)),
    "silu": (F.silu, partial(F.silu, inplace=True)),
}
"""And in place, which is faster where nothing is differentiated, and slower where something is."""

HIDDEN_GAIN, POLICY_GAIN, VALUE_GAIN = math.sqrt(2), 0.01, 1.0
"""Of orthogonal initialisation, as in Stable-Baselines3; biases are 0."""


@dataclass(frozen=True)
class NetworkSpec(NetworkSettings):
    """All that a network's parameters and what they compute depend on, but the seed."""

    obs_size: int = 1
    """D."""
    action: ActionForm = field(default=ActionForm("discrete", (1,)))
    """What the policy puts out."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `from_dict`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "NetworkSpec":
        """The spec of which these are the values; TypeError or LookupError if they are none."""
        action = values["action"]
        form = ActionForm(action["kind"], tuple(action["sizes"]))
        return cls(**{**values, "action": form, "hidden_sizes": tuple(values["hidden_sizes"])})


def network_spec(settings: NetworkSettings, obs_size: int, action: ActionForm) -> NetworkSpec:
    """The spec by a run's settings and its environment: D, and the form of an action."""
    chosen = {field.name: getattr(settings, field.name) for field in dataclasses.fields(NetworkSettings)}
    return NetworkSpec(**chosen, obs_size=obs_size, action=action)


class Network(nn.Module):
    """Hidden layers fc1, fc2, ... under a policy layer fc_pi and a value layer fc_v, as a spec says.

    A critic of its own has the hidden layers critic1, critic2, ... . `head` makes actions of what fc_pi puts
    out. obs_norm and return_moments are there where the spec has observations and rewards normalised, else
    None.
    """

    fc1: nn.Linear
    fc_pi: nn.Linear
    fc_v: nn.Linear

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec, self.head = spec, make_head(spec.action, spec.log_std_init)
        self._activation, self._activation_in_place = ACTIVATIONS[spec.activation]
        self._hidden = self._add_hidden_layers("fc")
        self._critic = self._add_hidden_layers("critic") if spec.separate_critic else self._hidden
        width = spec.hidden_sizes[-1]
        self.fc_pi = nn.Linear(width, self.head.num_outputs)
        self.fc_v = nn.Linear(width, 1)
        if spec.init == "orthogonal":
            self._initialise_orthogonally()
        self.obs_norm = ObservationNorm(spec.obs_size, spec.clip_obs) if spec.norm_obs else None
        self.return_moments = RunningMoments() if spec.norm_reward else None

    def is_finite(self) -> bool:
        """Whether every parameter and buffer is a number; waits for the device."""
        return all(bool(tensor.isfinite().all()) for tensor in (*self.parameters(), *self.buffers()))

    def forward(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """The policy's outputs (..., O), which are logits if it is categorical, and value (...) of
        observations (..., D)."""
        obs = self._normalised(obs)
        hidden = self._through(self._hidden, obs)
        if self._critic is not self._hidden:
            value = self.fc_v(self._through(self._critic, obs)).squeeze(-1)
            return self.fc_pi(hidden), value
        # Both heads in one product, so that the hidden layer, by far the largest tensor here, is read
        # once forwards and its gradient written once backwards.
        weight = torch.cat((self.fc_pi.weight, self.fc_v.weight))
        bias = torch.cat((self.fc_pi.bias, self.fc_v.bias))
        heads = F.linear(hidden, weight, bias)
        return heads[..., :-1], heads[..., -1]

    def policy(self, obs: Tensor) -> Tensor:
        """Only the policy's outputs (..., O): what acting needs."""
        return _linear(self.fc_pi, self._through(self._hidden, self._normalised(obs)))

    def _add_hidden_layers(self, name: str) -> Sequence[nn.Linear]:
        layers = [nn.Linear(*sizes) for sizes in pairwise((self.spec.obs_size, *self.spec.hidden_sizes))]
        for number, layer in enumerate(layers, start=1):
            self.add_module(f"{name}{number}", layer)
        # Column-major: torch then computes this weight's gradient as obs.T @ grad, several times
        # faster than grad.T @ obs while D is much smaller than H. Shape and values stay nn.Linear's.
        layers[0].weight = nn.Parameter(layers[0].weight.detach().t().contiguous().t())
        return tuple(layers)

    def _initialise_orthogonally(self) -> None:
        gains = {"fc_pi": POLICY_GAIN, "fc_v": VALUE_GAIN}
        for name, layer in self.named_children():
            if isinstance(layer, nn.Linear):
                nn.init.orthogonal_(layer.weight, gains.get(name, HIDDEN_GAIN))
                nn.init.zeros_(layer.bias)

    def _normalised(self, obs: Tensor) -> Tensor:
        return obs if self.obs_norm is None else self.obs_norm.forward(obs)

    def _through(self, layers: Sequence[nn.Linear], obs: Tensor) -> Tensor:
        activation = self._activation if torch.is_grad_enabled() else self._activation_in_place
        for layer in layers:
            obs = activation(_linear(layer, obs))
        return obs


class ActorCritic(Network):
    """The default network: one ReLU layer from D to H under both heads, by nn.Linear's initialisation."""

    def __init__(self, obs_size: int, num_actions: int, hidden_size: int = 256) -> None:
        form = ActionForm("discrete", (num_actions,))
        super().__init__(NetworkSpec(hidden_sizes=(hidden_size,), obs_size=obs_size, action=form))


def _linear(layer: nn.Linear, obs: Tensor) -> Tensor:
    """What the layer computes, without a module's call, which takes as long as the layer on few rows."""
    return F.linear(obs, layer.weight, layer.bias)


_DRAWING = threading.Lock()
"""nn.Linear draws from torch's own generator, of which there is one for all threads."""


def initial_network(spec: NetworkSpec, seed: int) -> Network:
    """The network that a seed leads to; torch's own generators stay as they are."""
    with _DRAWING, torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: that reseeds the generators of all GPUs too, for good.
        torch.default_generator.manual_seed(seed)
        return Network(spec)


def empty_network(spec: NetworkSpec) -> Network:
    """A network to load a state_dict into."""
    return initial_network(spec, seed=0)
