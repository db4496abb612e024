"""The loss of a rollout and its gradient, in torch, on any device.

Shapes: T rollout steps, S = T + 1, N environments, n environments of one block, D observation size,
O outputs of a policy, B valid transitions.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vecac.algorithm.network import Network
from vecac.algorithm.normalization import EPSILON
from vecac.algorithm.rollout import Rollout
from vecac.algorithm.td import LossTerms, actor_critic_loss, normalized, td_lambda_targets, td_targets
from vecac.config_parts import LearningSettings

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


class Rows(NamedTuple):
    """The valid transitions of one block of environments, as the loss takes them; share: of the update's."""

    share: float
    log_prob_B: Tensor
    entropy_B: Tensor
    value_B: Tensor
    target_B: Tensor


class RolloutLoss:
    """The mean loss over a rollout's valid rows; the network, on the rollouts' device, gets the gradients."""

    def __init__(self, settings: LearningSettings, network: Network) -> None:
        self._settings, self._network = settings, network
        self._device = next(network.parameters()).device

    def backward(self, rollout: Rollout, ent_coef: float) -> list[BlockReport]:
        """Leave the gradient in the network's parameters; nothing, and none, if no row is valid."""
        num_valid = int(np.count_nonzero(rollout.valid_TN))
        if num_valid == 0:
            return []
        self._network.zero_grad()
        blocks = self._blocks(rollout, num_valid)
        if not self._settings.normalize_advantage:
            return [self._block_backward(block, None, ent_coef) for block in blocks]
        rows = list(blocks)  # the mean and the deviation are of all of them
        advantage = normalized(torch.cat([block.target_B - block.value_B.detach() for block in rows]))
        parts = torch.split(advantage, [len(block.value_B) for block in rows])
        pairs = zip(rows, parts, strict=True)
        return [self._block_backward(block, part, ent_coef) for block, part in pairs]

    def _block_backward(self, block: Rows, advantage_B: Tensor | None, ent_coef: float) -> BlockReport:
        settings, (share, log_prob_B, entropy_B, value_B, target_B) = self._settings, block
        terms = actor_critic_loss(
            log_prob_B,
            entropy_B,
            value_B,
            target_B,
            ent_coef,
            settings.vf_coef,
            settings.value_loss,
            advantage_B,
        )
        # Not backward(gradient): for that torch imports sympy, which takes a third of a second.
        (terms.total * share).backward()  # type: ignore[no-untyped-call]
        return BlockReport(terms, share, value_B.detach(), target_B)

    def _blocks(self, rollout: Rollout, num_valid: int) -> Iterator[Rows]:
        size = rollout.num_envs
        if self._device.type == "cpu":  # a block's S rows are to stay in cache
            size = max(1, CPU_BLOCK_ROWS // (rollout.num_steps + 1))
        for start in range(0, rollout.num_envs, size):
            envs = slice(start, start + size)
            rows = np.flatnonzero(rollout.valid_TN[:, envs])
            if len(rows):
                yield self._block(rollout, envs, rows, len(rows) / num_valid)

    def _block(self, rollout: Rollout, envs: slice, rows: NDArray[np.int64], share: float) -> Rows:
        """One block's valid rows, which are counted through its T x n rows.

        The parameters stand still within a rollout, so one pass over all S observations gives V(s)
        as well as V(s'), the value one row further down.
        """
        outputs_SnO, value_Sn = self._network(self._needed_obs(rollout, envs))
        next_value_Tn = self._next_values(rollout, envs, value_Sn.detach())
        target_Tn = self._targets(rollout, envs, next_value_Tn)
        rows_B = self._send(rollout, rows)

        def valid(block_Tn: Tensor) -> Tensor:
            return block_Tn.flatten(0, 1).index_select(0, rows_B)

        outputs_BO, value_B, target_B = valid(outputs_SnO[:-1]), valid(value_Sn[:-1]), valid(target_Tn)
        action_B = valid(rollout.tensors.action_TN[:, envs])
        return Rows(share, *self._network.head.evaluate(outputs_BO, action_B), value_B, target_B)

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
        if (moments := self._network.return_moments) is not None:
            reward_Tn = reward_Tn * (moments.var + EPSILON).rsqrt().float()
        terminated_Tn, truncated_Tn = tensors.terminated_TN[:, envs], tensors.truncated_TN[:, envs]
        if not settings.bootstrap_truncated:
            terminated_Tn = terminated_Tn | truncated_Tn
        if settings.td_lambda == 0:
            return td_targets(reward_Tn, terminated_Tn, next_value_Tn, settings.gamma)
        return td_lambda_targets(
            reward_Tn, terminated_Tn, truncated_Tn, next_value_Tn, settings.gamma, settings.td_lambda
        )
