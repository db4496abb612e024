"""Squares, in compiled form, are those of NumPy to the last bit."""

import math

import numpy as np
from numba import njit

from vecac.kernels.environments.powers import squared, squared_float32


def test_it_rounds_as_numpy_does():
    compiled = njit(squared)
    numbers = np.random.default_rng(0).uniform(-30, 30, 50_000)
    ours = [compiled(number) for number in numbers]
    assert ours == [number**2 for number in numbers] == [squared(number) for number in numbers.tolist()]
    assert math.isnan(compiled(math.nan))
    assert compiled(-math.inf) == math.inf


def test_so_it_does_in_float32():
    compiled = njit(squared_float32)
    numbers = np.random.default_rng(0).uniform(-30, 30, 50_000).astype(np.float32)
    ours = [compiled(number) for number in numbers]
    assert ours == [number**2 for number in numbers]
    assert ours != [number * number for number in numbers]
    assert math.isnan(compiled(np.float32(math.nan)))
