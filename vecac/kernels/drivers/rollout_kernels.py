"""Acting, and the gradient of a rollout buffer, for environments that someone else steps.

Shapes: T rollout steps, S = T + 1, N environments, D observation size, L lanes.

Environments are dealt to lanes and blocks as in fused.py, with the same consequences.
"""

from typing import Any, NamedTuple

from numba import njit

from vecac.kernels.mathematics import mlp
from vecac.kernels.mathematics.policy import clear_sums, differentiate, sample, softmax, td_target
from vecac.kernels.plumbing.work_sharing import try_acquire


class Memory(NamedTuple):
    """What acting and learning read and write.

    model: Model. uniform_TN float64 in [0, 1): draws the actions. The rest is the rollout buffer;
    final_obs_TND has no rows (T = 0) where the next row of obs always is the true successor.
    """

    model: Any
    uniform_TN: Any
    obs_SND: Any
    action_TN: Any
    reward_TN: Any
    terminated_TN: Any
    truncated_TN: Any
    valid_TN: Any
    final_obs_TND: Any


@njit
def _forward(parameters: Any, work: Any, step: int, obs_ND: Any, first: int, count: int) -> None:
    for lane in range(count):
        for d in range(obs_ND.shape[1]):
            work.obs[step, lane, d] = obs_ND[first + lane, d]
    mlp.forward(parameters, work, step)


@njit
def prepare(memory: Any) -> None:
    """Take in the parameters that the next rollout is acted and learned with."""
    for block in range(memory.model.works.size):
        mlp.difference_heads(memory.model.parameters[0], memory.model.works[block])


@njit
def _act_group(memory: Any, work: Any, t: int, first: int, count: int) -> None:
    """Sample the actions of environments first to first + count - 1, at most L."""
    _forward(memory.model.parameters[0], work, 0, memory.obs_SND[t], first, count)
    for lane in range(count):
        softmax(work, 0, lane)
        uniform = memory.uniform_TN[t, first + lane]
        memory.action_TN[t, first + lane] = sample(work.probability[lane], uniform)


@njit
def act(counters: Any, share: int, memory: Any, t: int) -> None:
    """Sample the actions of step t from the policy at obs row t; called as fused.iterate."""
    num_blocks, num_envs = memory.model.works.size, memory.action_TN.shape[1]
    size = mlp.block_size(num_envs, num_blocks)
    for i in range(num_blocks):
        block = (share + i) % num_blocks
        if try_acquire(counters, block, 0):
            for first in range(block * size, min((block + 1) * size, num_envs), mlp.LANES):
                _act_group(memory, memory.model.works[block], t, first, min(mlp.LANES, num_envs - first))


@njit
def _learn_lane(memory: Any, work: Any, sums: Any, t: int, lane: int, index: int) -> None:
    """The derivative of one lane's loss at step t; a row that is not valid will add nothing."""
    now, then, last = t % 2, 1 - t % 2, work.probability.shape[1] - 1
    if not memory.valid_TN[t, index]:
        work.d_heads[lane] = mlp.ZERO
        work.hidden[now, lane] = mlp.ZERO  # which may be infinite, and 0 * inf is no number
        return
    settings = memory.model.settings[0]
    terminated, truncated = memory.terminated_TN[t, index], memory.truncated_TN[t, index]
    hidden = memory.final_obs_TND.shape[0] > 0  # by the next episode's first observation
    next_value = work.final_value[lane] if truncated and hidden else work.heads[then, lane, last]
    target = td_target(memory.reward_TN[t, index], next_value, terminated, truncated, settings)
    softmax(work, now, lane)
    differentiate(work, now, lane, memory.action_TN[t, index], target, settings, sums)


@njit
def _learn_group(memory: Any, work: Any, sums: Any, first: int, count: int) -> None:
    """Add the gradient of environments first to first + count - 1, at most L."""
    parameters, last = memory.model.parameters[0], work.probability.shape[1] - 1
    obs_SND, final_obs_TND, truncated_TN = memory.obs_SND, memory.final_obs_TND, memory.truncated_TN
    work.d_heads[:] = mlp.ZERO  # a lane without an environment adds nothing,
    work.obs[:] = mlp.ZERO  # whatever the lane's last one has shown
    _forward(parameters, work, 0, obs_SND[0], first, count)
    for t in range(memory.action_TN.shape[0]):
        now, then = t % 2, 1 - t % 2
        if final_obs_TND.shape[0] > 0 and truncated_TN[t, first : first + count].any():
            _forward(parameters, work, then, final_obs_TND[t], first, count)
            for lane in range(count):
                work.final_value[lane] = work.heads[then, lane, last]
        _forward(parameters, work, then, obs_SND[t + 1], first, count)
        for lane in range(count):
            _learn_lane(memory, work, sums, t, lane, first + lane)
        mlp.backward(work, now)


@njit
def differentiate_rollout(counters: Any, share: int, memory: Any) -> None:
    """The gradient and the sums over valid rows, block by block; called as fused.iterate."""
    num_blocks, num_envs = memory.model.works.size, memory.action_TN.shape[1]
    size = mlp.block_size(num_envs, num_blocks)
    for i in range(num_blocks):
        block = (share + i) % num_blocks
        if try_acquire(counters, block, 0):
            work, sums = memory.model.works[block], memory.model.sums[block]
            mlp.clear(work.gradient)
            clear_sums(sums)
            for first in range(block * size, min((block + 1) * size, num_envs), mlp.LANES):
                _learn_group(memory, work, sums, first, min(mlp.LANES, num_envs - first))
