"""Every random stream of a run, each grown from its own child of numpy's SeedSequence(seed)."""

from typing import NamedTuple

import numpy as np
from numpy.random import SeedSequence


class SeedSequences(NamedTuple):
    """One independent child sequence for each consumer of randomness."""

    environments: SeedSequence
    network: SeedSequence
    policy: SeedSequence
    evaluation: SeedSequence
    evaluation_while_training: SeedSequence


def seed_sequences(seed: int) -> SeedSequences:
    """Split a run's seed; neighbouring seeds share nothing, unlike seed + i."""
    return SeedSequences(*SeedSequence(seed).spawn(len(SeedSequences._fields)))


def environment_seeds(sequence: SeedSequence, num_envs: int) -> list[int]:
    """One seed an environment: Python ints under 2**32, which every environment accepts."""
    return [int(seed) for seed in sequence.generate_state(num_envs, np.uint32)]


def restart_sequence(sequence: SeedSequence, env_steps: int) -> SeedSequence:
    """A stream that no other moment of the run uses, for a consumer that starts anew at env_steps.

    `sequence` is the consumer's own child of the run's seed.
    """
    return SeedSequence(sequence.entropy, spawn_key=(*sequence.spawn_key, env_steps))


def torch_seed(sequence: SeedSequence) -> int:
    """A seed for a torch generator: 63 bits, since torch takes a signed 64-bit integer."""
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
