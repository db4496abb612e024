"""A rollout of compiled environments that is kept, and learned from in a second pass.

Shapes: T rollout steps, S = T + 1, N environments, L lanes.

Where a target looks further ahead than a step, or advantages, rewards or observations are normalised, the
derivative of a step's loss is not known while it is taken. What was seen and done is kept then, and the
forward pass made once more: twice the forward passes of fused.py, and memory for a rollout.
"""

from typing import Any, NamedTuple

from numba import njit

from vecac.kernels.drivers.rollout_kernels import differentiate_by_targets
from vecac.kernels.drivers.stepping import begin_episode, sample_action, take, tuple_of
from vecac.kernels.mathematics import layers, mlp
from vecac.kernels.mathematics.layers import block_size
from vecac.kernels.mathematics.loss import find_targets
from vecac.kernels.mathematics.memory import LANES
from vecac.kernels.mathematics.model import put_obs
from vecac.kernels.mathematics.moments import take_in_returns
from vecac.kernels.mathematics.policy import value_of
from vecac.kernels.plumbing.choosing import chosen_by_type, has_field


class Kept(NamedTuple):
    """A rollout between its two passes, and what its rewards are normalised by.

    rollout: rollout_kernels.Memory, without noise; all rows are valid, and final values stand in `returns`.
    moments (1,): RETURN_MOMENTS where rewards are normalised, else (). return_N float64: see take_in_returns.
    """

    rollout: Any
    moments: Any
    return_N: Any


@njit
def _show(memory: Any, work: Any, lane: int, t: int, index: int, observe: Any) -> None:
    """An environment's observation, to the network and in obs row t."""
    obs = observe(tuple_of(memory.environments[index].state, memory.blank.state))
    obs_SND = memory.kept.rollout.obs_SND
    for d in range(len(obs)):
        obs_SND[t, index, d] = obs[d]
    put_obs(memory.model, work.obs[0, lane], obs)


@njit
def _step(memory: Any, work: Any, lane: int, t: int, index: int, reset: Any, step: Any, observe: Any) -> None:
    """Act in one environment by the heads of step 0, and keep what comes of it."""
    rollout, environment, returns = (
        memory.kept.rollout,
        memory.environments[index],
        memory.kept.rollout.returns,
    )
    returns.value_SN[t, index] = value_of(work, 0, lane)
    sample_action(environment, work, 0, lane)
    for u in range(work.action.shape[1]):
        rollout.action_TNU[t, index, u] = work.action[lane, u]
    state = take(environment, work, lane, step, memory.blank)
    terminated = work.terminated[lane] != 0
    truncated = environment.length >= memory.model.settings[0].time_limit
    rollout.reward_TN[t, index] = work.reward[lane]
    rollout.terminated_TN[t, index], rollout.truncated_TN[t, index] = terminated, truncated
    if terminated or truncated:
        if not terminated:
            put_obs(memory.model, work.obs[1, lane], observe(state))
            mlp.forward_lane(memory.model.parameters[0], work, 1, lane)
            returns.final_value_TN[t, index] = value_of(work, 1, lane)
        ending = memory.endings_TN[t, index]
        ending.length, ending.episode_return = environment.length, environment.episode_return
        begin_episode(environment, reset, memory.blank)
    _show(memory, work, lane, t + 1, index, observe)


@njit
def _keep_group(memory: Any, work: Any, first: int, count: int, reset: Any, step: Any, observe: Any) -> None:
    """Take environments first to first + count - 1, at most L, through a rollout."""
    parameters, num_steps = memory.model.parameters[0], memory.endings_TN.shape[0]
    for lane in range(count):
        _show(memory, work, lane, 0, first + lane, observe)
    for t in range(num_steps):
        mlp.forward(parameters, work, 0)
        for lane in range(count):
            _step(memory, work, lane, t, first + lane, reset, step, observe)
    mlp.forward_value(parameters, work, 0)
    for lane in range(count):
        memory.kept.rollout.returns.value_SN[num_steps, first + lane] = value_of(work, 0, lane)


@njit
def keep(memory: Any, block: int, reset: Any, step: Any, observe: Any) -> None:
    """The first pass: a rollout of a block's environments."""
    work, num_envs = memory.model.works[block], memory.environments.size
    size = block_size(num_envs, memory.model.works.size)
    layers.take_in(memory.model.parameters[0], work)
    for first in range(block * size, min((block + 1) * size, num_envs), LANES):
        _keep_group(memory, work, first, min(LANES, num_envs - first), reset, step, observe)


@chosen_by_type()
def _take_in_rewards(kept: Any, settings: Any) -> Any:
    def take_in(kept: Any, settings: Any) -> None:
        take_in_returns(kept.moments[0], kept.return_N, kept.rollout, settings)

    return take_in if has_field(kept, "moments") else lambda kept, settings: None


@njit
def look_ahead(memory: Any) -> None:
    """Between the passes: the targets and advantages of all environments' rollouts."""
    kept, settings = memory.kept, memory.model.settings[0]
    _take_in_rewards(kept, settings)
    find_targets(kept.rollout.returns, kept.rollout, settings)


@njit
def learn_from(memory: Any, block: int) -> None:
    """The second pass: the gradient of what was kept of a block's environments."""
    num_envs = memory.environments.size
    size = block_size(num_envs, memory.model.works.size)
    differentiate_by_targets(memory.kept.rollout, block, block * size, min((block + 1) * size, num_envs))
