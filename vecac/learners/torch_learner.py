"""The torch learner: acts by the network, and makes one update from a rollout, on any device.

Shapes: T rollout steps, S = T + 1, N environments, n environments of one block, D observation size,
A actions, B valid transitions.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from vecac.algorithm.network import ActorCritic, gumbel_noise, initial_network, sample_action
from vecac.algorithm.rollout import Rollout
from vecac.algorithm.td import LossTerms, td_lambda_targets, td_loss, td_targets
from vecac.config_parts import LearningSettings
from vecac.seeding import SeedSequences, restart_sequence, torch_seed

CPU_BLOCK_ROWS = 1024
"""Rows of one pass through the network on the CPU: their hidden layer stays inside the L2 cache."""


class BlockReport(NamedTuple):
    """What one block of environments added to an update.

    terms: means over the block's rows. share: of the update's rows that are the block's.
    value_B, target_B: of these rows, before the update.
    """

    terms: LossTerms
    share: float
    value_B: Tensor
    target_B: Tensor


@dataclass(frozen=True)
class UpdateReport:
    """One update, on the learner's device until it is read; grad_norm is 0-d, before any clipping."""

    blocks: Sequence[BlockReport]
    grad_norm: Tensor
    learning_rate: float

    @property
    def terms(self) -> LossTerms:
        """The loss terms as means over all of the update's rows, 0-d each."""
        weighted = [torch.stack(block.terms).detach() * block.share for block in self.blocks]
        return LossTerms(*torch.stack(weighted).sum(dim=0))

    def read(self) -> dict[str, float]:
        """The train/ metrics by tag, in one transfer from the device; NaN where undefined."""
        value_B = torch.cat([block.value_B for block in self.blocks])
        target_B = torch.cat([block.target_B for block in self.blocks])
        spread = target_B.var(correction=0)
        # Targets that differ by no more than float32 rounds have no variance to explain.
        spread = spread.where(spread > (1e-6 * target_B.abs().max()) ** 2, torch.nan)
        explained_variance = 1 - (target_B - value_B).var(correction=0) / spread
        names = ("loss", "policy_loss", "value_loss", "entropy", "grad_norm", "explained_variance")
        numbers = torch.stack((*self.terms, self.grad_norm, explained_variance)).tolist()
        metrics = {f"train/{name}": number for name, number in zip(names, numbers, strict=True)}
        return metrics | {"train/learning_rate": self.learning_rate}

    def has_finite_gradient(self) -> bool:
        """Whether the gradient's norm is a number; waits for the device."""
        return math.isfinite(float(self.grad_norm))


def learning_rate_of(optimizer_state: dict[str, Any]) -> float:
    """The rate of the last update, from the state_dict of torch's Adam."""
    return float(optimizer_state["param_groups"][0]["lr"])


class TorchLearner:
    """Owns the network, its optimiser and the policy's random stream.

    Args:
        settings: of the loss, the optimiser, the network and the rollout.
        obs_size, num_actions: D and A.
        device: where the parameters live.
        seeds: the network's initialisation and the policy draw from a child each.
    """

    def __init__(
        self,
        settings: LearningSettings,
        obs_size: int,
        num_actions: int,
        device: torch.device,
        seeds: SeedSequences,
    ) -> None:
        self._settings, self.device = settings, device
        self.num_threads = torch.get_num_threads()
        sizes = obs_size, num_actions, settings.hidden_size
        self.network = initial_network(*sizes, torch_seed(seeds.network)).to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=settings.learning_rate, fused=True)
        self._policy_seeds = seeds.policy
        self._generator = torch.Generator(device).manual_seed(torch_seed(seeds.policy))
        self._noise_shape = (settings.n_rollout, settings.num_envs, num_actions)
        self._noise_TNA = torch.zeros(self._noise_shape, device=device)
        self._noise_rows: Sequence[Tensor] = ()
        self._parameters = list(self.network.parameters())
        self._loss = RolloutLoss(settings, self.network)

    def start_rollout(self, rollout: Rollout) -> None:
        """Draw the policy's random numbers for the T steps of all N environments at once."""
        self._use_noise(gumbel_noise(self._noise_shape, self._generator))

    @torch.inference_mode()
    def act(self, rollout: Rollout, t: int) -> NDArray[np.int64]:
        """Sample the actions of step t; see Learner. To hand them on is a step's one wait for the device."""
        action_N = rollout.action_rows[t]
        rows = (rollout.obs_rows[t], self._noise_rows[t], action_N)
        blocks: Iterable[tuple[Tensor, ...]] = (rows,)
        if self.device.type == "cpu" and len(action_N) > CPU_BLOCK_ROWS:
            blocks = zip(*(torch.split(tensor, CPU_BLOCK_ROWS) for tensor in rows), strict=True)
        for obs_nD, noise_nA, action_n in blocks:
            action_n.copy_(sample_action(self.network.logits(obs_nD), noise_nA))
        actions: NDArray[np.int64] = action_N.cpu().numpy()
        return actions

    def update(self, rollout: Rollout, learning_rate: float) -> UpdateReport | None:
        """One Adam step on the mean loss over the rollout's B valid rows; None, and no step, if B = 0."""
        blocks = self._loss.backward(rollout)
        return UpdateReport(blocks, self._step(learning_rate), learning_rate) if blocks else None

    def state_dict(self) -> dict[str, Any]:
        """network and optimizer; see Learner."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def random_state(self) -> dict[str, Any]:
        """The policy's generator, and the noise that it drew for the rollout in progress."""
        return {"generator": self._generator.get_state(), "drawn": self._noise_TNA}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over network and optimizer of an engine's state_dict."""
        self.network.load_state_dict(state["network"])
        (group,) = self.optimizer.state_dict()["param_groups"]  # of its settings only the rate changes
        group["lr"] = learning_rate_of(state["optimizer"])
        self.optimizer.load_state_dict({"state": state["optimizer"]["state"], "param_groups": [group]})

    def load_random_state(self, state: dict[str, Any], rollout: Rollout | None, env_steps: int) -> list[str]:
        """Take over a `random_state`, also of another kind of device; see Learner."""
        self._use_noise(state["drawn"].reshape(self._noise_shape).to(self.device))
        saved = state["generator"]
        if saved.shape == self._generator.get_state().shape:
            self._generator.set_state(saved)
            return []
        self._generator.manual_seed(torch_seed(restart_sequence(self._policy_seeds, env_steps)))
        return [
            f"the run was saved on another kind of device: on {self.device.type} its policy goes on with "
            "other random numbers"
        ]

    def close(self) -> None:
        """Nothing to give up."""

    def _use_noise(self, noise_TNA: Tensor) -> None:
        self._noise_TNA, self._noise_rows = noise_TNA, noise_TNA.unbind()

    def _step(self, learning_rate: float) -> Tensor:
        """Clip if asked to, let Adam step, and return the gradient's norm before clipping, 0-d."""
        grad_norm = get_total_norm([p.grad for p in self._parameters if p.grad is not None])
        if self._settings.max_grad_norm is not None:
            clip_grads_with_norm_(self._parameters, self._settings.max_grad_norm, grad_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        return grad_norm


class RolloutLoss:
    """The mean loss over a rollout's valid rows; the network, on the rollouts' device, gets the gradients."""

    def __init__(self, settings: LearningSettings, network: ActorCritic) -> None:
        self._settings, self._network = settings, network
        self._device = next(network.parameters()).device

    def backward(self, rollout: Rollout) -> list[BlockReport]:
        """Leave the gradient in the network's parameters; nothing, and none, if no row is valid."""
        num_valid = int(np.count_nonzero(rollout.valid_TN))
        if num_valid == 0:
            return []
        self._network.zero_grad()
        blocks, size = [], rollout.num_envs
        if self._device.type == "cpu":  # a block's S rows are to stay in cache
            size = max(1, CPU_BLOCK_ROWS // (rollout.num_steps + 1))
        for start in range(0, rollout.num_envs, size):
            envs = slice(start, start + size)
            rows = np.flatnonzero(rollout.valid_TN[:, envs])
            if len(rows):
                block = self._block_loss(rollout, envs, rows, len(rows) / num_valid)
                # Not backward(gradient): for that torch imports sympy, which takes a third of a second.
                (block.terms.total * block.share).backward()  # type: ignore[no-untyped-call]
                blocks.append(block)
        return blocks

    def _block_loss(
        self, rollout: Rollout, envs: slice, rows: NDArray[np.int64], share: float
    ) -> BlockReport:
        """The loss on one block's valid rows, which are counted through its T x n rows.

        The parameters stand still within a rollout, so one pass over all S observations gives V(s)
        as well as V(s'), the value one row further down.
        """
        tensors = rollout.tensors
        logits_SnA, value_Sn = self._network(self._needed_obs(rollout, envs))
        next_value_Tn = self._next_values(rollout, envs, value_Sn.detach())
        target_Tn = self._targets(rollout, envs, next_value_Tn)
        rows_B = self._send(rollout, rows)

        def valid(block_Tn: Tensor) -> Tensor:
            return block_Tn.flatten(0, 1).index_select(0, rows_B)

        logits_BA, value_B, target_B = valid(logits_SnA[:-1]), valid(value_Sn[:-1]), valid(target_Tn)
        action_B = valid(tensors.action_TN[:, envs])
        settings = self._settings
        terms = td_loss(logits_BA, value_B, action_B, target_B, settings.ent_coef, settings.vf_coef)
        return BlockReport(terms, share, value_B.detach(), target_B)

    def _needed_obs(self, rollout: Rollout, envs: slice) -> Tensor:
        """Observations (S, n, D), zero where neither a transition starts nor a target bootstraps.

        There an episode's last observation may make a hidden unit infinite, and in the backward pass
        0 * inf is no number.
        """
        valid_Tn, ended_Tn = rollout.valid_TN[:, envs], rollout.terminated_TN[:, envs]
        if not self._settings.bootstrap_truncated:
            ended_Tn = ended_Tn | rollout.truncated_TN[:, envs]
        needed_Sn = np.zeros((len(valid_Tn) + 1, valid_Tn.shape[1]), np.bool_)
        needed_Sn[:-1] = valid_Tn
        needed_Sn[1:] |= valid_Tn & ~ended_Tn
        obs_SnD = rollout.tensors.obs_SND[:, envs]
        if needed_Sn.all():
            return obs_SnD
        return obs_SnD.masked_fill(self._send(rollout, ~needed_Sn).unsqueeze(-1), 0.0)

    def _send(self, rollout: Rollout, found: NDArray[Any]) -> Tensor:
        """An index or mask that was found on the host, contiguous, on the device, which is not waited for.

        Pinned memory that is given up here is not used anew before the copy is done: torch sees to that.
        """
        tensor = torch.from_numpy(found)
        return (tensor.pin_memory() if rollout.is_pinned else tensor).to(self._device, non_blocking=True)

    @torch.no_grad()
    def _next_values(self, rollout: Rollout, envs: slice, value_Sn: Tensor) -> Tensor:
        """V(s') (T, n): the next row's value, or the final observation's where a reset replaced it."""
        next_value_Tn = value_Sn[1:]
        final_obs_TND = rollout.tensors.final_obs_TND
        if final_obs_TND is None:
            return next_value_Tn
        # Found on the host, so that the device is not waited for. A terminated row needs no value.
        cut_off_Tn = rollout.truncated_TN[:, envs] & ~rollout.terminated_TN[:, envs]
        if not cut_off_Tn.any():
            return next_value_Tn
        where = self._send(rollout, np.stack(np.nonzero(cut_off_Tn))).unbind()
        _, final_value = self._network(final_obs_TND[:, envs][where])
        return next_value_Tn.index_put(where, final_value)

    def _targets(self, rollout: Rollout, envs: slice, next_value_Tn: Tensor) -> Tensor:
        settings, tensors = self._settings, rollout.tensors
        reward_Tn = tensors.reward_TN[:, envs] * settings.reward_scale
        terminated_Tn, truncated_Tn = tensors.terminated_TN[:, envs], tensors.truncated_TN[:, envs]
        if not settings.bootstrap_truncated:
            terminated_Tn = terminated_Tn | truncated_Tn
        if settings.td_lambda == 0:
            return td_targets(reward_Tn, terminated_Tn, next_value_Tn, settings.gamma)
        return td_lambda_targets(
            reward_Tn, terminated_Tn, truncated_Tn, next_value_Tn, settings.gamma, settings.td_lambda
        )
