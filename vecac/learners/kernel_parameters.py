"""What the compiled kernels and torch share: the network, the optimiser's state, settings and metrics.

Shapes: D observation size, O outputs of a policy, M parameters.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vecac.actions import ActionForm
from vecac.algorithm.network import Network, initial_network, network_spec
from vecac.algorithm.normalization import EPSILON as NORM_EPSILON
from vecac.algorithm.normalization import RunningMoments
from vecac.config_parts import LearningSettings
from vecac.kernels.mathematics.loss import SETTINGS, SUMS
from vecac.kernels.mathematics.memory import (
    ALIGNMENT,
    NetworkForm,
    describe_heads,
    num_blocks,
    parameters_dtype,
    workspace_dtype,
)
from vecac.kernels.mathematics.model import Model
from vecac.kernels.mathematics.moments import RETURN_MOMENTS, norm_dtype
from vecac.kernels.mathematics.optimizer_steps import ALPHA, BETA1, BETA2
from vecac.learners.optimizers import MOMENTS, epsilon_of, require_moments
from vecac.seeding import SeedSequences, torch_seed

NO_LIMIT = 2**62
"""A time limit that no episode reaches."""


class KernelParameters:
    """A network whose parameters are torch's and the kernels' at once, and the moments of its optimiser.

    Args:
        settings: of the loss, the optimiser and the network, and num_envs.
        obs_size, action: D, and the form of an action.
        seeds: of which one child is the network's initialisation.
        time_limit: env steps after which the kernels truncate an episode, if they are to.

    return_moments (1,): RETURN_MOMENTS where rewards are normalised, else ().
    """

    def __init__(
        self,
        settings: LearningSettings,
        obs_size: int,
        action: ActionForm,
        seeds: SeedSequences,
        time_limit: int | None = None,
    ) -> None:
        network = (settings.hidden_sizes, settings.activation, settings.separate_critic)
        form = self._form = NetworkForm(obs_size, action, *network)
        dtype, blocks = parameters_dtype(form), num_blocks(settings.num_envs)
        parameters, gradient, mean, square = (aligned(1, dtype) for _ in range(4))
        works = aligned(blocks, workspace_dtype(form))
        describe_heads(form, works)
        self.model = Model(
            settings=_kernel_settings(settings, time_limit),
            parameters=parameters,
            gradient=gradient,
            parameters_M=parameters.view(np.float32),
            gradient_M=gradient.view(np.float32),
            mean_M=mean.view(np.float32),
            square_M=square.view(np.float32),
            works=works,
            sums=aligned(blocks, SUMS),
            norm=aligned(1, norm_dtype(obs_size)) if settings.norm_obs else (),
        )
        self.network = initial_network(network_spec(settings, obs_size, action), torch_seed(seeds.network))
        self.return_moments = aligned(1, RETURN_MOMENTS) if settings.norm_reward else ()
        _share_moments(self.network, self.model.norm, self.return_moments, settings.reward_scale)
        views = torch_views(parameters, form)
        for name, parameter in self.network.named_parameters():
            parameter.data = views[name].copy_(parameter.data)
        moments = {"exp_avg": mean, "exp_avg_sq": square, "square_avg": square}
        self._moments = {name: torch_views(moments[name], form) for name in MOMENTS[settings.optimizer]}
        self._settings = settings

    def set_rates(self, ent_coef: float) -> None:
        """Tell the kernels what the next update is made with, by the network's moments of returns too."""
        settings = self.model.settings
        settings["ent_coef"], settings["reward_scale"] = ent_coef, self._settings.reward_scale
        if (moments := self.network.return_moments) is not None:
            settings["reward_scale"] /= math.sqrt(float(moments.var) + NORM_EPSILON)

    def last_update(self, grad_norm: float, learning_rate: float, ent_coef: float) -> "KernelUpdate":
        """What the kernels' sums say of their last update, which was made with these rates."""
        sums = self.model.sums.copy()
        return KernelUpdate(sums, grad_norm, learning_rate, self._settings.vf_coef, ent_coef)

    def gradient(self) -> dict[str, Tensor]:
        """What the last update stepped along, by the names of the network's parameters; in its memory."""
        return torch_views(self.model.gradient, self._form)

    def state_dict(self, updates: int, learning_rate: float) -> dict[str, Any]:
        """network_spec, network, and optimizer as torch's would have it, in the kernels' memory.

        Made by hand, since making an optimiser has torch import its compiler, which takes two seconds.
        """
        state = {
            index: {"step": torch.tensor(float(updates))}
            | {key: of[name] for key, of in self._moments.items()}
            for index, (name, _) in enumerate(self.network.named_parameters())
        }
        own: dict[str, Any] = {"betas": (BETA1, BETA2), "amsgrad": False}
        if self._settings.optimizer == "rmsprop":
            own = {"alpha": ALPHA, "momentum": 0.0, "centered": False}
        group = {"lr": learning_rate, "eps": epsilon_of(self._settings), "weight_decay": 0.0}
        groups = [{**group, **own, "params": list(state)}]
        network = {"network_spec": self.network.spec.to_dict(), "network": self.network.state_dict()}
        return {**network, "optimizer": {"state": state, "param_groups": groups}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over network and optimizer of an engine's state_dict, whoever made it. Raises as Engine."""
        require_moments(self._settings.optimizer, self.network, state["optimizer"])
        self.network.load_state_dict(state["network"])
        saved = state["optimizer"]["state"]
        for index, (name, _) in enumerate(self.network.named_parameters()):
            for key, of in self._moments.items():
                # torch's optimisers have no state before their first step.
                of[name].copy_(saved[index][key]) if saved else of[name].zero_()


@dataclass(frozen=True)
class KernelUpdate:
    """One update by the kernels: the SUMS of each of its blocks, and grad_norm before any clipping."""

    sums: NDArray[Any]
    grad_norm: float
    learning_rate: float
    vf_coef: float
    ent_coef: float

    def read(self) -> dict[str, float]:
        """The train/ metrics by tag; NaN where undefined."""
        rows = self.sums["rows"].sum()
        mean = {name: float(self.sums[name].sum() / rows) for name in self.sums.dtype.names or ()}
        variance = mean["target_square"] - mean["target"] ** 2
        error_variance = mean["error_square"] - mean["error"] ** 2
        # Targets that differ by no more than float32 rounds have no variance to explain.
        explains = variance > 1e-12 * mean["target_square"]
        return {
            "train/loss": mean["policy"] + self.vf_coef * mean["value"] - self.ent_coef * mean["entropy"],
            "train/policy_loss": mean["policy"],
            "train/value_loss": mean["value"],
            "train/entropy": mean["entropy"],
            "train/grad_norm": self.grad_norm,
            "train/explained_variance": 1 - error_variance / variance if explains else math.nan,
            "train/learning_rate": self.learning_rate,
        }

    def has_finite_gradient(self) -> bool:
        """Whether the gradient's norm is a number."""
        return math.isfinite(self.grad_norm)


def aligned(count: int, dtype: "np.dtype[Any]") -> NDArray[Any]:
    """Records (count,), all zero, that start at a cache line."""
    size = count * dtype.itemsize
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype)


def torch_views(record: NDArray[Any], form: NetworkForm) -> dict[str, Tensor]:
    """The same memory by the names and in the shapes of the network's parameters."""
    views = _layer_views(record, "fc", form)
    if form.action.kind == "box":
        views["head.log_std"] = torch.from_numpy(record["log_std"][0])
    heads = [torch.from_numpy(record[f"heads_{kind}"][0]) for kind in ("weight", "bias")]
    values = heads
    if form.separate_critic:
        views |= _layer_views(record["critic"], "critic", form)
        values = [torch.from_numpy(record["critic"][f"heads_{kind}"][0]) for kind in ("weight", "bias")]
    for kind, policy, value in zip(("weight", "bias"), heads, values, strict=True):
        views |= {f"fc_pi.{kind}": policy[: form.num_outputs], f"fc_v.{kind}": value[-1:]}
    return views


def _layer_views(record: NDArray[Any], name: str, form: NetworkForm) -> dict[str, Tensor]:
    views = dict[str, Tensor]()
    inputs = (form.obs_size, *form.hidden_sizes)
    for number in range(1, len(inputs)):
        weight, bias = (torch.from_numpy(record[f"fc{number}_{kind}"][0]) for kind in ("weight", "bias"))
        views |= {f"{name}{number}.weight": weight[: inputs[number - 1]].t(), f"{name}{number}.bias": bias}
    return views


def _share_moments(network: Network, norm: Any, return_moments: Any, reward_scale: float) -> None:
    """Have the buffers that the network normalises by be the kernels' memory."""
    if network.obs_norm is not None:
        norm["clip"] = network.spec.clip_obs
        _share(network.obs_norm, norm, ("shift", "scale", "mean", "var", "count"))
    if network.return_moments is not None:
        return_moments["reward_scale"] = reward_scale
        _share(network.return_moments, return_moments, ("mean", "var", "count"))


def _share(moments: RunningMoments, record: Any, names: tuple[str, ...]) -> None:
    record["epsilon"] = NORM_EPSILON
    for name in names:
        setattr(moments, name, torch.from_numpy(record[name])[0].copy_(getattr(moments, name)))


def _kernel_settings(settings: LearningSettings, time_limit: int | None) -> NDArray[Any]:
    """The settings as the kernels take them, one record."""
    record = np.zeros(1, SETTINGS)
    plain = ("gamma", "td_lambda", "reward_scale", "ent_coef", "vf_coef", "bootstrap_truncated")
    for name in (*plain, "normalize_advantage", "learning_rate", "lr_final", "ent_coef_final"):
        record[name] = getattr(settings, name)
    record["is_mse"] = settings.value_loss == "mse"
    record["is_rmsprop"] = settings.optimizer == "rmsprop"
    record["optimizer_eps"] = epsilon_of(settings)
    record["ent_coef_first"] = settings.ent_coef
    is_scheduled = settings.ent_coef_schedule == "linear"
    record["ent_coef_over"] = settings.total_timesteps if is_scheduled else math.inf
    record["max_grad_norm"] = math.inf if settings.max_grad_norm is None else settings.max_grad_norm
    record["anneal_over"] = settings.total_timesteps if settings.anneals_lr else math.inf
    record["time_limit"] = NO_LIMIT if time_limit is None else time_limit
    return record
