"""An environment's random stream."""

import numpy as np

from vecac.kernels.drivers.stepping import environment_dtype, next_uniform

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
