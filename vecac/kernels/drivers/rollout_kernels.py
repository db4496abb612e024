"""Acting, and the gradient of a rollout buffer, for environments that someone else steps.

Shapes: T rollout steps, S = T + 1, N environments, D observation size, U numbers of an action, L lanes.

Environments are dealt to lanes and blocks as in fused.py, with the same consequences. With one-step targets
one pass over a rollout does, since V(s_{t+1}) is at hand for the target of step t. Where a target looks
further ahead, or advantages are normalised, a pass over the values comes first: `evaluate`, `look_ahead`.
"""

from typing import Any, NamedTuple

from numba import njit

from vecac.kernels.mathematics import layers, mlp
from vecac.kernels.mathematics.layers import block_size
from vecac.kernels.mathematics.loss import clear_sums, differentiate, find_targets, td_target
from vecac.kernels.mathematics.memory import LANES
from vecac.kernels.mathematics.model import put_obs
from vecac.kernels.mathematics.policy import act as act_in_lane
from vecac.kernels.mathematics.policy import find_distribution, value_of
from vecac.kernels.plumbing.choosing import chosen_by_type, has_field
from vecac.kernels.plumbing.work_sharing import try_acquire


class Memory(NamedTuple):
    """What acting and learning read and write.

    model: Model. noise_TNU float64, uniform in [0, 1) or normal: draws the actions. returns: Returns, or ()
    where one-step targets do. The rest is the rollout buffer; final_obs_TND has no
    rows where the next row of obs always is the true successor.
    """

    model: Any
    noise_TNU: Any
    returns: Any
    obs_SND: Any
    action_TNU: Any
    reward_TN: Any
    terminated_TN: Any
    truncated_TN: Any
    valid_TN: Any
    final_obs_TND: Any


class Returns(NamedTuple):
    """Of a rollout's rows, float32: V(s) (S, N), V of hidden final observations, targets and advantages
    (T, N); final_value_TN has as many rows as final_obs_TND."""

    value_SN: Any
    final_value_TN: Any
    target_TN: Any
    advantage_TN: Any


@njit(forceinline=True)
def _show(memory: Any, work: Any, step: int, obs_ND: Any, first: int, count: int) -> None:
    for lane in range(count):
        put_obs(memory.model, work.obs[step, lane], obs_ND[first + lane])


@njit
def prepare(memory: Any) -> None:
    """Take in the parameters that the next rollout is acted and learned with."""
    for block in range(memory.model.works.size):
        layers.take_in(memory.model.parameters[0], memory.model.works[block])


@njit
def _share_out(counters: Any, share: int, memory: Any, work_on: Any, t: int) -> None:
    """work_on(memory, t, block, begin, end) for each block of environments; called as fused.iterate."""
    num_blocks, num_envs = memory.model.works.size, memory.action_TNU.shape[1]
    size = block_size(num_envs, num_blocks)
    for i in range(num_blocks):
        block = (share + i) % num_blocks
        if try_acquire(counters, block, 0):
            work_on(memory, t, block, block * size, min((block + 1) * size, num_envs))


@njit
def _act_in_block(memory: Any, t: int, block: int, begin: int, end: int) -> None:
    work = memory.model.works[block]
    for first in range(begin, end, LANES):
        count = min(LANES, end - first)
        _show(memory, work, 0, memory.obs_SND[t], first, count)
        mlp.forward_policy(memory.model.parameters[0], work, 0)
        for lane in range(count):
            find_distribution(work, 0, lane)
            act_in_lane(work, 0, lane, memory.noise_TNU[t, first + lane])
            for u in range(work.action.shape[1]):
                memory.action_TNU[t, first + lane, u] = work.action[lane, u]


@njit
def act(counters: Any, share: int, memory: Any, t: int) -> None:
    """Sample the actions of step t from the policy at obs row t; called as fused.iterate."""
    _share_out(counters, share, memory, _act_in_block, t)


@njit
def look_ahead(memory: Any) -> None:
    """Find the targets and advantages of a rollout that was evaluated."""
    find_targets(memory.returns, memory, memory.model.settings[0])


@njit(forceinline=True)
def _take_action(memory: Any, work: Any, t: int, lane: int, index: int) -> None:
    for u in range(work.action.shape[1]):
        work.action[lane, u] = memory.action_TNU[t, index, u]


@njit(forceinline=True)
def _learn_lane(memory: Any, work: Any, sums: Any, t: int, lane: int, index: int) -> None:
    """The derivative of one lane's loss at step t; a row that is not valid will add nothing."""
    now, then = t % 2, 1 - t % 2
    if not memory.valid_TN[t, index]:
        layers.mute(work, now, lane)
        return
    settings = memory.model.settings[0]
    terminated, truncated = memory.terminated_TN[t, index], memory.truncated_TN[t, index]
    hidden = memory.final_obs_TND.shape[0] > 0  # by the next episode's first observation
    next_value = work.final_value[lane] if truncated and hidden else value_of(work, then, lane)
    target = td_target(memory.reward_TN[t, index], next_value, terminated, truncated, settings)
    find_distribution(work, now, lane)
    _take_action(memory, work, t, lane, index)
    differentiate(work, now, lane, target, target - value_of(work, now, lane), settings, sums)


@njit
def _learn_group(memory: Any, work: Any, sums: Any, first: int, count: int) -> None:
    """Add the gradient of environments first to first + count - 1, at most L, by one-step targets."""
    parameters, obs_SND = memory.model.parameters[0], memory.obs_SND
    final_obs_TND, truncated_TN = memory.final_obs_TND, memory.truncated_TN
    layers.rest(work)  # a lane without an environment adds nothing,
    work.obs[:] = 0.0  # whatever the lane's last one has shown
    _show(memory, work, 0, obs_SND[0], first, count)
    mlp.forward(parameters, work, 0)
    for t in range(memory.action_TNU.shape[0]):
        now, then = t % 2, 1 - t % 2
        if final_obs_TND.shape[0] > 0 and truncated_TN[t, first : first + count].any():
            _show(memory, work, then, final_obs_TND[t], first, count)
            mlp.forward(parameters, work, then)
            for lane in range(count):
                work.final_value[lane] = value_of(work, then, lane)
        _show(memory, work, then, obs_SND[t + 1], first, count)
        mlp.forward(parameters, work, then)
        for lane in range(count):
            _learn_lane(memory, work, sums, t, lane, first + lane)
        mlp.backward(work, now)


@njit
def _learn_group_by_targets(memory: Any, work: Any, sums: Any, first: int, count: int) -> None:
    """Add the gradient of environments first to first + count - 1, at most L, by targets that are known."""
    parameters, settings, returns = memory.model.parameters[0], memory.model.settings[0], memory.returns
    layers.rest(work)
    work.obs[:] = 0.0
    for t in range(memory.action_TNU.shape[0]):
        _show(memory, work, 0, memory.obs_SND[t], first, count)
        mlp.forward(parameters, work, 0)
        for lane in range(count):
            index = first + lane
            if memory.valid_TN[t, index]:
                target, advantage = returns.target_TN[t, index], returns.advantage_TN[t, index]
                find_distribution(work, 0, lane)
                _take_action(memory, work, t, lane, index)
                differentiate(work, 0, lane, target, advantage, settings, sums)
            else:
                layers.mute(work, 0, lane)
        mlp.backward(work, 0)


@njit
def differentiate_by_targets(memory: Any, block: int, begin: int, end: int) -> None:
    """The gradient and the sums of a block's environments, begin to end - 1, by the targets in `returns`."""
    work, sums = memory.model.works[block], memory.model.sums[block]
    layers.clear_gradient(work)
    clear_sums(sums)
    for first in range(begin, end, LANES):
        _learn_group_by_targets(memory, work, sums, first, min(LANES, end - first))


@chosen_by_type()
def _differentiate_block(memory: Any, t: Any, block: Any, begin: Any, end: Any) -> Any:
    def by_targets(memory: Any, t: int, block: int, begin: int, end: int) -> None:
        differentiate_by_targets(memory, block, begin, end)

    def by_one_step(memory: Any, t: int, block: int, begin: int, end: int) -> None:
        work, sums = memory.model.works[block], memory.model.sums[block]
        layers.clear_gradient(work)
        clear_sums(sums)
        for first in range(begin, end, LANES):
            _learn_group(memory, work, sums, first, min(LANES, end - first))

    return by_targets if has_field(memory, "returns") else by_one_step


@njit
def differentiate_rollout(counters: Any, share: int, memory: Any) -> None:
    """The gradient and the sums over valid rows, block by block; called as fused.iterate.

    By the targets that `returns` holds, or, where there are none, by one-step targets.
    """
    _share_out(counters, share, memory, _differentiate_block, 0)


@njit
def _evaluate_block(memory: Any, _: int, block: int, begin: int, end: int) -> None:
    work, parameters, returns = memory.model.works[block], memory.model.parameters[0], memory.returns
    for first in range(begin, end, LANES):
        count = min(LANES, end - first)
        for t in range(memory.obs_SND.shape[0]):
            _show(memory, work, 0, memory.obs_SND[t], first, count)
            mlp.forward_value(parameters, work, 0)
            for lane in range(count):
                returns.value_SN[t, first + lane] = value_of(work, 0, lane)
        for t in range(returns.final_value_TN.shape[0]):
            if memory.truncated_TN[t, first : first + count].any():
                _show(memory, work, 0, memory.final_obs_TND[t], first, count)
                mlp.forward_value(parameters, work, 0)
                for lane in range(count):
                    returns.final_value_TN[t, first + lane] = value_of(work, 0, lane)


@njit
def evaluate(counters: Any, share: int, memory: Any) -> None:
    """V(s) of all that `look_ahead` needs, block by block; called as fused.iterate."""
    _share_out(counters, share, memory, _evaluate_block, 0)
