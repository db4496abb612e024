"""The rollout buffer: T steps of N environments, preallocated, with the two masks.

Shapes: T rollout steps, N environments, D observation size.

The environments write into host memory, the learner reads on its device. On the CPU both are the
same tensors. For CUDA the host side is pinned: each observation is sent ahead as the policy needs
it, everything else in one go when the rollout is complete. Nothing waits for these copies: a row is
written again in the next rollout, after the host has waited for the actions of a step of it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vecac.actions import ActionForm
from vecac.transition import Transition

PINNED_FOR = ("cuda",)
"""Kinds of device that copy from pinned memory while the host goes on."""


@dataclass(frozen=True)
class RolloutTensors:
    """One side of the buffer; every tensor is contiguous.

    obs_SND float32, S = T + 1: row t was acted on at step t, the last row is acted on next.
    action_TN (T, N, ...) as ActionForm has it: int64, or float32 before any clipping to bounds.
    reward_TN float32, unscaled; terminated_TN, truncated_TN, valid_TN bool.
    final_obs_TND float32 or None: the true successor where an episode ended at step t, for the
    autoreset modes in which row t + 1 of obs already is the next episode's. Other rows are stale.
    """

    obs_SND: Tensor
    action_TN: Tensor
    reward_TN: Tensor
    terminated_TN: Tensor
    truncated_TN: Tensor
    valid_TN: Tensor
    final_obs_TND: Tensor | None


def _allocate(
    num_steps: int,
    num_envs: int,
    obs_size: int,
    action: ActionForm,
    hides_final_obs: bool,
    device: torch.device,
    pinned: bool,
) -> RolloutTensors:
    def zeros(*shape: int, dtype: torch.dtype) -> Tensor:
        return torch.zeros(shape, dtype=dtype, device=device, pin_memory=pinned)

    block = (num_steps, num_envs)
    return RolloutTensors(
        obs_SND=zeros(num_steps + 1, num_envs, obs_size, dtype=torch.float32),
        action_TN=zeros(*block, *action.shape, dtype=torch.float32 if action.kind == "box" else torch.int64),
        reward_TN=zeros(*block, dtype=torch.float32),
        terminated_TN=zeros(*block, dtype=torch.bool),
        truncated_TN=zeros(*block, dtype=torch.bool),
        valid_TN=zeros(*block, dtype=torch.bool),
        final_obs_TND=zeros(*block, obs_size, dtype=torch.float32) if hides_final_obs else None,
    )


class Rollout:
    """The buffer. `tensors` is the learner's side; the arrays of the same names are the host's.

    obs_rows and action_rows are the learner's obs_SND and action_TN, step by step. is_pinned: whether
    what is sent to the learner is to lie in pinned memory.

    Args:
        num_steps, num_envs, obs_size: T, N and D.
        action: the form of an action.
        hides_final_obs: whether the autoreset mode replaces final observations (see RolloutTensors).
        device: the learner's device.
        staged: keep a host side apart from the learner's. Needed for any device but the CPU.
    """

    def __init__(
        self,
        num_steps: int,
        num_envs: int,
        obs_size: int,
        action: ActionForm,
        hides_final_obs: bool,
        device: torch.device,
        staged: bool | None = None,
    ) -> None:
        self.num_steps, self.num_envs = num_steps, num_envs
        self.staged = device.type != "cpu" if staged is None else staged
        self.is_pinned = device.type in PINNED_FOR
        sizes = (num_steps, num_envs, obs_size, action, hides_final_obs)
        self.tensors = _allocate(*sizes, device, pinned=False)
        self._host = self.tensors
        if self.staged:
            self._host = _allocate(*sizes, torch.device("cpu"), pinned=self.is_pinned)
        # Views made once: indexing a tensor costs about as much as a small operation on it.
        self.obs_rows = self.tensors.obs_SND.unbind()
        self.action_rows = self.tensors.action_TN.unbind()
        # Small rows are written faster through NumPy than through torch; the memory is the same.
        host = self._host
        self.obs_SND: NDArray[np.float32] = host.obs_SND.numpy()
        self.reward_TN: NDArray[np.float32] = host.reward_TN.numpy()
        self.terminated_TN: NDArray[np.bool_] = host.terminated_TN.numpy()
        self.truncated_TN: NDArray[np.bool_] = host.truncated_TN.numpy()
        self.valid_TN: NDArray[np.bool_] = host.valid_TN.numpy()
        self.final_obs_TND: NDArray[np.float32] | None = None
        if host.final_obs_TND is not None:
            self.final_obs_TND = host.final_obs_TND.numpy()

    def state_dict(self) -> dict[str, Tensor | None]:
        """The learner's side, in its memory; of the steps not yet inserted it is stale."""
        self.finish()
        return vars(self.tensors)

    def load_state_dict(self, state: dict[str, Tensor | None]) -> None:
        """Go on in the middle of the rollout that `state_dict` was taken in."""
        for name, saved in state.items():
            for side in (self.tensors, self._host):
                mine = getattr(side, name)
                if (None if mine is None else mine.shape) != (None if saved is None else saved.shape):
                    raise ValueError(f"the rollout's {name} is of another shape")
                if saved is not None:
                    mine.copy_(saved)

    def start(self, obs_ND: NDArray[np.float32]) -> None:
        """Begin a rollout at the observations the policy acts on next."""
        self._put_obs(0, obs_ND)

    def insert(self, t: int, transition: Transition, obs_ND: NDArray[np.float32]) -> None:
        """Copy what step t led to; nothing keeps a reference to the arrays.

        Args:
            t: the step, 0 to T - 1, in order.
            transition: of all N environments.
            obs_ND: what step t + 1 will be acted on, which an autoreset may have made another thing
                than the transition's next_obs.
        """
        self.reward_TN[t] = transition.reward
        self.terminated_TN[t] = transition.terminated
        self.truncated_TN[t] = transition.truncated
        self.valid_TN[t] = transition.valid
        if self.final_obs_TND is not None:
            ended_N = transition.terminated | transition.truncated
            self.final_obs_TND[t, ended_N] = transition.next_obs[ended_N]
        self._put_obs(t + 1, obs_ND)

    def finish(self) -> None:
        """Send what the learner's side still lacks; call once all T steps are in."""
        if self.staged:
            for name in ("reward_TN", "terminated_TN", "truncated_TN", "valid_TN", "final_obs_TND"):
                host = getattr(self._host, name)
                if host is not None:
                    getattr(self.tensors, name).copy_(host, non_blocking=True)

    def _put_obs(self, row: int, obs_ND: NDArray[np.float32]) -> None:
        self.obs_SND[row] = obs_ND
        if self.staged:
            self.tensors.obs_SND[row].copy_(self._host.obs_SND[row], non_blocking=True)
