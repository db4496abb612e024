"""Episodes that are played and not learned from, four at a time, by parameters that stand still.

Shapes: N environments, L lanes.
"""

from typing import Any

from numba import njit

from vecac.kernels.drivers.stepping import begin_episode, sample_action, take, tuple_of
from vecac.kernels.mathematics import layers, mlp
from vecac.kernels.mathematics.memory import LANES
from vecac.kernels.mathematics.model import put_obs
from vecac.kernels.mathematics.policy import act_greedily
from vecac.kernels.plumbing.numba_internals import tuple_setitem

_FIRST = tuple(range(LANES))
"""The environments that the lanes begin with."""


@njit
def _begin(memory: Any, environment: Any, lane: int, reset: Any, observe: Any) -> None:
    """Begin an environment's episode, in a lane."""
    begin_episode(environment, reset, memory.blank)
    obs = observe(tuple_of(environment.state, memory.blank.state))
    put_obs(memory.model, memory.model.works[0].obs[0, lane], obs)


@njit
def play(
    memory: Any,
    environments: Any,
    terminated_N: Any,
    most_steps: int,
    is_sampled: bool,
    reset: Any,
    step: Any,
    observe: Any,
) -> None:
    """One episode in each environment; each ends when it terminates, or after most_steps.

    A lane whose episode has ended goes on with the next environment that no lane has played.

    Args:
        memory: fused.Memory, of which the parameters are read and the first work is used.
        environments: (N,) stepping.environment_dtype; their streams are drawn from. They then hold the
            episodes' returns and lengths.
        terminated_N: bool; says which episodes terminated.
        most_steps: after which an episode is cut.
        is_sampled: whether actions are sampled by the policy; otherwise the most probable one is taken.
        reset, step, observe: of the compiled environment.
    """
    work, parameters = memory.model.works[0], memory.model.parameters[0]
    num_envs = environments.size
    layers.take_in(parameters, work)
    index_L = _FIRST
    for lane in range(min(LANES, num_envs)):
        _begin(memory, environments[lane], lane, reset, observe)
    num_begun, num_left = LANES, num_envs
    while num_left > 0:
        mlp.forward_policy(parameters, work, 0)
        for lane in range(LANES):
            if index_L[lane] >= num_envs:
                continue
            environment = environments[index_L[lane]]
            if is_sampled:
                sample_action(environment, work, 0, lane)
            else:
                act_greedily(work, 0, lane)
            state = take(environment, work, lane, step, memory.blank)
            put_obs(memory.model, work.obs[0, lane], observe(state))
            if work.terminated[lane] or environment.length >= most_steps:
                terminated_N[index_L[lane]] = work.terminated[lane]
                num_left -= 1
                index_L = tuple_setitem(index_L, lane, num_begun)
                num_begun += 1
                if index_L[lane] < num_envs:
                    _begin(memory, environments[index_L[lane]], lane, reset, observe)
