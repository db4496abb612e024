"""Evaluation of a policy in a compiled environment: a hundred episodes in milliseconds.

Shapes: N environments.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vecac.engines.compiled_faults import find_fault
from vecac.engines.evaluation import Evaluation
from vecac.engines.fused_engine import FusedEngine
from vecac.errors import EnvironmentFault
from vecac.kernels.drivers.play import play
from vecac.learners.kernel_parameters import aligned
from vecac.seeding import seed_sequences

EPISODES_A_CALL = 10_000
"""Episodes that are in memory at a time."""


def evaluate_compiled(
    engine: FusedEngine, episodes: int, *, sampled: bool, seed: int, most_steps: int, cut_at: int | None
) -> Evaluation:
    """Play episodes, at least 1, by sampled or the most probable actions, as the parameters stand.

    Each episode has a random stream of its own, grown from the evaluation child of the run's seed: its first
    state is the same whoever plays.

    Args:
        engine: whose policy plays in its environment.
        seed: the run's.
        most_steps: at which an episode ends at the latest.
        cut_at: env steps at which it counts as cut; None if it is the environment's own limit that ends it.
    """
    streams_N = seed_sequences(seed).evaluation.generate_state(episodes, np.uint64).astype(np.uint64)
    returns, lengths, cut = list[float](), list[int](), 0
    for first in range(0, episodes, EPISODES_A_CALL):
        part_N = streams_N[first : first + EPISODES_A_CALL]
        records, terminated_N = play_episodes(engine, part_N, most_steps, sampled=sampled)
        returns += records["episode_return"].tolist()
        lengths += records["length"].tolist()
        cut += int(np.count_nonzero((records["length"] == cut_at) & ~terminated_N))
    return Evaluation(returns, lengths, cut)


def play_episodes(
    engine: FusedEngine, streams_N: NDArray[np.uint64], most_steps: int, *, sampled: bool
) -> tuple[Any, NDArray[np.bool_]]:
    """An episode from each random stream by the parameters as they stand; training is not touched.

    Returns:
        Records with episode_return and length, and which of the episodes terminated (N,).

    Raises:
        EnvironmentFault: a function of the environment raised.
    """
    environments = aligned(len(streams_N), engine.memory.environments.dtype)
    environments["stream"] = streams_N
    terminated_N = np.zeros(len(streams_N), np.bool_)
    arguments = engine.memory, environments, terminated_N, most_steps, sampled, *engine.kernels.functions
    try:
        engine.kernels.specialise(play, *arguments)(*arguments)
    except Exception as error:
        unnamed = f"a compiled environment raised {type(error).__name__}: {error}"
        fault = find_fault(engine.environment, environments, environments[:0], error)
        raise EnvironmentFault(fault or unnamed) from error
    return environments, terminated_N
