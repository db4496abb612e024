"""Environment, policy and gradient in one pass, and the training iteration around it.

Shapes: T rollout steps, N environments, L lanes.

The parameters stand still within a rollout. So the forward pass on s_{t+1} gives V(s_{t+1}) for the
target of step t and the policy of step t + 1 at once: an env step costs one forward and one backward
pass, and no activations are kept but those of two steps. Only the first observation of a rollout, and of
an episode, needs a forward pass of its own.

L environments go in lockstep through all T steps, then the next L. Each has its own state and random
stream. Blocks of environments each sum up a gradient of their own; how many there are depends on N alone,
and they are added in order, so results do not depend on which thread runs a block.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from vecac.kernels.mathematics import layers, mlp
from vecac.kernels.mathematics.layers import block_size
from vecac.kernels.mathematics.loss import clear_sums, differentiate, td_target
from vecac.kernels.mathematics.memory import LANES
from vecac.kernels.mathematics.model import put_obs, update
from vecac.kernels.mathematics.policy import act, find_distribution, value_of
from vecac.kernels.plumbing.numba_internals import tuple_setitem
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


def environment_dtype(state_size: int) -> "np.dtype[Any]":
    """One environment: its state (state_size,), its random stream, and its episode so far."""
    fields: list[Any] = [("state", np.float64, (state_size,)), ("stream", np.uint64)]
    return np.dtype([*fields, ("length", np.int64), ("episode_return", np.float64)], align=True)


class Memory(NamedTuple):
    """All that training reads and writes.

    model: Model. environments (N,): environment_dtype. endings_TN: ENDING. window, float64: the last
    returns, in a ring. progress (1,): PROGRESS. finished: EPISODE, at least T x N. empty_state,
    empty_uniforms: tuples of the right length.
    """

    model: Any
    environments: Any
    endings_TN: Any
    window: Any
    progress: Any
    finished: Any
    empty_state: Any
    empty_uniforms: Any


GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)
"""What an environment's stream advances by for each number."""


@njit
def next_uniform(environment: Any) -> float:
    """The next number in [0, 1) of an environment's stream: splitmix64 (Steele, Lea & Flood 2014)."""
    environment.stream += GOLDEN_GAMMA
    z = environment.stream
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.float64(z >> np.uint64(11)) * 2.0**-53


@njit
def tuple_of(numbers: Any, empty: Any) -> Any:
    """numbers as a tuple that is as long as `empty`."""
    for i in range(len(empty)):
        empty = tuple_setitem(empty, i, numbers[i])
    return empty


@njit
def store(numbers: Any, values: Any) -> None:
    """A tuple's values into the first of the numbers."""
    for i in range(len(values)):
        numbers[i] = values[i]


@njit
def begin_episode(environment: Any, reset: Any, uniforms: Any) -> None:
    """Draw the first state of an environment's next episode; `uniforms` is a tuple of the right length."""
    for i in range(len(uniforms)):
        uniforms = tuple_setitem(uniforms, i, next_uniform(environment))
    store(environment.state, reset(uniforms))
    environment.length = 0
    environment.episode_return = 0.0


@njit
def sample_action(environment: Any, work: Any, now: int, lane: int) -> None:
    """An action by a lane's heads of step `now`, which draws on its environment's stream."""
    find_distribution(work, now, lane)
    act(work, now, lane, (next_uniform(environment),))


@njit
def take(environment: Any, work: Any, lane: int, step: Any, empty_state: Any) -> Any:
    """Take a lane's action, whose outcome the work then holds; returns the new state."""
    state, reward, terminated = step(tuple_of(environment.state, empty_state), work.action[lane, 0])
    store(environment.state, state)
    environment.length += 1
    environment.episode_return += reward
    work.reward[lane] = reward
    work.terminated[lane] = terminated
    return state


@njit
def _collect_group(
    memory: Any, work: Any, sums: Any, first: int, count: int, reset: Any, step: Any, observe: Any
) -> None:
    """Take environments first to first + count - 1, at most L, through a rollout."""
    model, settings, parameters = memory.model, memory.model.settings[0], memory.model.parameters[0]
    environments, endings_TN = memory.environments, memory.endings_TN
    empty_state, empty_uniforms = memory.empty_state, memory.empty_uniforms
    layers.rest(work)  # a lane without an environment adds nothing
    for lane in range(count):
        state = tuple_of(environments[first + lane].state, empty_state)
        put_obs(model, work.obs[0, lane], observe(state))
    mlp.forward(parameters, work, 0)
    for t in range(endings_TN.shape[0]):
        now, then = t % 2, 1 - t % 2
        for lane in range(count):
            environment = environments[first + lane]
            sample_action(environment, work, now, lane)
            state = take(environment, work, lane, step, empty_state)
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
                begin_episode(environment, reset, empty_uniforms)
                put_obs(model, work.obs[then, lane], observe(tuple_of(environment.state, empty_state)))
                mlp.forward_lane(parameters, work, then, lane)
        mlp.backward(work, now)


@njit
def begin(memory: Any, reset: Any) -> None:
    """Begin the first episode of every environment."""
    for index in range(memory.environments.size):
        begin_episode(memory.environments[index], reset, memory.empty_uniforms)


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


@njit
def iterate(
    counters: Any, share: int, memory: Any, count: int, goal: float, reset: Any, step: Any, observe: Any
) -> None:
    """Collect and learn `count` times, or until `learn` says to stop, which progress.paused then tells.

    Called on any number of threads at a time, with the same counters and each with a share, the block that it
    begins with. Who finishes a round's last block learns.
    """
    num_blocks = memory.model.works.size
    iteration = wait(counters, 0)
    while iteration < count and not memory.progress[0].paused:
        for i in range(num_blocks):
            block = (share + i) % num_blocks
            if try_acquire(counters, block, iteration):
                collect(memory, block, reset, step, observe)
                if arrive(counters):
                    memory.progress[0].paused = learn(memory, goal)
                    complete(counters)
        iteration = wait(counters, iteration + 1)
