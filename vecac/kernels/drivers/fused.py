"""Environment, policy and gradient in one pass, and the training iteration around it.

Shapes: T rollout steps, N environments, L lanes.

The parameters stand still within a rollout. So the forward pass on s_{t+1} gives V(s_{t+1}) for the
target of step t and the policy of step t + 1 at once: an env step costs one forward and one backward
pass, and no activations are kept but those of two steps. Only the first observation of a rollout, and of
an episode, needs a forward pass of its own. Where a target looks further ahead, or something is
normalised, there are two passes instead; see two_passes.py.

L environments go in lockstep through all T steps, then the next L. Each has its own state and random
stream. Blocks of environments each sum up a gradient of their own; how many there are depends on N alone,
and they are added in order, so results do not depend on which thread runs a block.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from vecac.kernels.drivers.stepping import begin_episode, sample_action, take, tuple_of
from vecac.kernels.drivers.two_passes import keep, learn_from, look_ahead
from vecac.kernels.mathematics import layers, mlp
from vecac.kernels.mathematics.layers import block_size
from vecac.kernels.mathematics.loss import clear_sums, differentiate, td_target
from vecac.kernels.mathematics.memory import LANES
from vecac.kernels.mathematics.model import put_obs, update
from vecac.kernels.mathematics.moments import take_in_observations
from vecac.kernels.mathematics.policy import value_of
from vecac.kernels.plumbing.choosing import chosen_by_type, has_field
from vecac.kernels.plumbing.work_sharing import arrive, complete, try_acquire, wait
from vecac.transition import Episode

EPISODE = np.dtype([*Episode.__annotations__.items()], align=True)
"""A finished episode: the fields of transition.Episode in their order, as int64 and float64."""

ENDING = np.dtype([("length", np.int64), ("episode_return", np.float64)], align=True)
"""What ended at one step of one environment; length 0 where nothing did."""

PROGRESS = np.dtype(
    [(name, np.int64) for name in ("env_steps", "updates", "episodes", "finished", "paused")]
    + [(name, np.float64) for name in ("learning_rate", "grad_norm")],
    align=True,
)
"""Counts since the start; rows of Memory.finished in use; whether to return to the caller; the last update's
rate and norm."""


class Memory(NamedTuple):
    """All that training reads and writes.

    model: Model. environments (N,): stepping.environment_dtype. endings_TN: ENDING. window, float64: the last
    returns, in a ring. progress (1,): PROGRESS. finished: EPISODE, at least T x N. blank: Blank.
    kept: two_passes.Kept where it takes two to learn, else ().
    """

    model: Any
    environments: Any
    endings_TN: Any
    window: Any
    progress: Any
    finished: Any
    blank: Any
    kept: Any


@njit
def _collect_group(
    memory: Any, work: Any, sums: Any, first: int, count: int, reset: Any, step: Any, observe: Any
) -> None:
    """Take environments first to first + count - 1, at most L, through a rollout."""
    model, settings, parameters = memory.model, memory.model.settings[0], memory.model.parameters[0]
    environments, endings_TN = memory.environments, memory.endings_TN
    blank = memory.blank
    layers.rest(work)  # a lane without an environment adds nothing
    for lane in range(count):
        state = tuple_of(environments[first + lane].state, blank.state)
        put_obs(model, work.obs[0, lane], observe(state))
    mlp.forward(parameters, work, 0)
    for t in range(endings_TN.shape[0]):
        now, then = t % 2, 1 - t % 2
        for lane in range(count):
            environment = environments[first + lane]
            sample_action(environment, work, now, lane)
            state = take(environment, work, lane, step, blank)
            put_obs(model, work.obs[then, lane], observe(state))
        mlp.forward(parameters, work, then)
        for lane in range(count):
            environment = environments[first + lane]
            truncated = environment.length >= settings.time_limit
            next_value = value_of(work, then, lane)
            target = td_target(work.reward[lane], next_value, work.terminated[lane], truncated, settings)
            differentiate(work, now, lane, target, target - value_of(work, now, lane), settings, sums)
            if truncated or work.terminated[lane]:
                endings_TN[t, first + lane].length = environment.length
                endings_TN[t, first + lane].episode_return = environment.episode_return
                begin_episode(environment, reset, blank)
                put_obs(model, work.obs[then, lane], observe(tuple_of(environment.state, blank.state)))
                mlp.forward_lane(parameters, work, then, lane)
        mlp.backward(work, now)


@njit
def begin(memory: Any, reset: Any) -> None:
    """Begin the first episode of every environment."""
    for index in range(memory.environments.size):
        begin_episode(memory.environments[index], reset, memory.blank)


@njit
def collect(memory: Any, block: int, reset: Any, step: Any, observe: Any) -> None:
    """A rollout of a block's environments, and its gradient."""
    num_envs = memory.environments.size
    size = block_size(num_envs, memory.model.works.size)
    work, sums = memory.model.works[block], memory.model.sums[block]
    layers.take_in(memory.model.parameters[0], work)
    layers.clear_gradient(work)
    clear_sums(sums)
    for first in range(block * size, min((block + 1) * size, num_envs), LANES):
        _collect_group(memory, work, sums, first, min(LANES, num_envs - first), reset, step, observe)


@njit
def _gather_episodes(memory: Any) -> Any:
    """Move the rollout's endings, by step, then environment, to `finished`; how many there were."""
    progress, before = memory.progress[0], memory.progress[0].episodes
    num_steps, num_envs = memory.endings_TN.shape
    for t in range(num_steps):
        progress.env_steps += num_envs
        for index in range(num_envs):
            ending = memory.endings_TN[t, index]
            if ending.length > 0:
                episode = memory.finished[progress.finished]
                episode.env_steps = progress.env_steps
                episode.episode_return = ending.episode_return
                episode.length = ending.length
                episode.environment = index
                memory.window[progress.episodes % memory.window.size] = ending.episode_return
                progress.finished += 1
                progress.episodes += 1
                ending.length = 0
    return progress.episodes - before


@njit
def _scheduled(first: float, final: float, done: float) -> float:
    """See algorithm/schedule.py."""
    return final + (first - final) * (1.0 - done)


@njit
def learn(memory: Any, goal: float) -> Any:
    """One update from what `collect` summed up.

    Returns whether to stop here: the mean return of a full window has come to `goal`, the gradient is not
    finite, or `finished` might overflow the next time.
    """
    settings, progress = memory.model.settings[0], memory.progress[0]
    rows = memory.endings_TN.size
    progress.updates += 1
    progress.learning_rate = _scheduled(
        settings.learning_rate, settings.lr_final, progress.env_steps / settings.anneal_over
    )
    progress.grad_norm = update(memory.model, rows, progress.learning_rate, progress.updates)
    num_ended = _gather_episodes(memory)
    settings.ent_coef = _scheduled(
        settings.ent_coef_first, settings.ent_coef_final, progress.env_steps / settings.ent_coef_over
    )
    if not math.isfinite(progress.grad_norm):
        return True
    if num_ended > 0 and progress.episodes >= memory.window.size and memory.window.mean() >= goal:
        return True
    return progress.finished + rows > memory.finished.size


@chosen_by_type(forceinline=True)
def _num_rounds(memory: Any) -> Any:
    """Of an iteration: passes with a barrier behind each."""
    return (lambda memory: 2) if has_field(memory, "kept") else lambda memory: 1


@chosen_by_type(forceinline=True)
def _work_on(memory: Any, block: Any, is_second: Any, reset: Any, step: Any, observe: Any) -> Any:
    """One pass over a block."""

    def in_one(memory: Any, block: int, is_second: bool, reset: Any, step: Any, observe: Any) -> None:
        collect(memory, block, reset, step, observe)

    def in_two(memory: Any, block: int, is_second: bool, reset: Any, step: Any, observe: Any) -> None:
        if is_second:
            learn_from(memory, block)
        else:
            keep(memory, block, reset, step, observe)

    return in_two if has_field(memory, "kept") else in_one


@chosen_by_type(forceinline=True)
def _finish(memory: Any, is_second: Any, goal: Any) -> Any:
    """What follows a pass over all blocks; whether to stop here."""

    def one(memory: Any, is_second: bool, goal: float) -> Any:
        return learn(memory, goal)

    def either(memory: Any, is_second: bool, goal: float) -> Any:
        if is_second:
            is_last = learn(memory, goal)
            take_in_observations(memory.model, memory.kept.rollout.obs_SND)
            return is_last
        look_ahead(memory)
        return False

    return either if has_field(memory, "kept") else one


@njit
def iterate(
    counters: Any, share: int, memory: Any, count: int, goal: float, reset: Any, step: Any, observe: Any
) -> None:
    """Collect and learn `count` times, or until `learn` says to stop, which progress.paused then tells.

    Called on any number of threads at a time, with the same counters and each with a share, the block that it
    begins with. Who finishes a round's last block does what follows it.
    """
    num_blocks, num_rounds = memory.model.works.size, _num_rounds(memory)
    done = wait(counters, 0)
    while done < count * num_rounds and not memory.progress[0].paused:
        is_second = done % num_rounds == 1
        for i in range(num_blocks):
            block = (share + i) % num_blocks
            if try_acquire(counters, block, done):
                _work_on(memory, block, is_second, reset, step, observe)
                if arrive(counters):
                    memory.progress[0].paused = _finish(memory, is_second, goal)
                    complete(counters)
        done = wait(counters, done + 1)
