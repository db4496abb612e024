"""The fused kernel's random stream, and its end by an error; its numbers are tested through its engine."""

import numpy as np
import pytest
from support import assert_raises_soon

from vecac.config import Config
from vecac.engines.fused_engine import FusedEngine
from vecac.kernels.environment import CompiledEnvironment
from vecac.kernels.fused import environment_dtype, next_uniform
from vecac.seeding import seed_sequences

FAR = 1e6

# The reference output of splitmix64 for the state 1234567, as published with the algorithm.
REFERENCE = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def test_the_stream_is_splitmix64():
    environment = np.zeros(1, environment_dtype(2))
    environment["stream"] = 1234567
    drawn = [next_uniform(environment[0]) for _ in REFERENCE]
    assert drawn == [(number >> 11) / 2**53 for number in REFERENCE]


def test_the_stream_is_even():
    environment = np.zeros(1, environment_dtype(2))
    drawn = np.array([next_uniform(environment[0]) for _ in range(20_000)])
    assert 0 <= drawn.min() < drawn.max() < 1
    counts = np.histogram(drawn, 20, (0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 45  # chi square, 19 degrees of freedom: 1 in 1,000


def reset(uniforms):
    return uniforms


def step(state, action):
    if state[0] > FAR:
        raise ValueError("too far")
    return state, 1.0, False


def observe(state):
    return state


@pytest.mark.parametrize("environment", [0, 100, 200])
@pytest.mark.parametrize("num_threads", [1, 2])
def test_an_environment_that_raises_ends_all_threads(environment, num_threads):
    fragile = CompiledEnvironment(
        reset, step, observe, num_uniforms=1, state_size=1, obs_size=1, num_actions=2
    )
    config = Config(num_envs=256)
    engine = FusedEngine(config, fragile, None, num_threads, seed_sequences(0))
    engine.reset()
    engine.iterate(1)
    engine._memory.environments["state"][environment] = 2 * FAR
    assert_raises_soon(ValueError, engine.iterate, 100)
    engine.close()
