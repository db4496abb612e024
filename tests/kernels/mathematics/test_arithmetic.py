"""tanh, against NumPy's in double precision."""

import numpy as np
from numba import njit

from vecac.kernels.mathematics import arithmetic


@njit
def tanh(x, y):
    for i in range(x.size):
        y[i] = arithmetic.tanh(x[i])


def test_tanh_is_right_to_the_last_bits_everywhere():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.uniform(-12, 12, 100_000), 10.0 ** rng.uniform(-30, 1, 100_000), [0.0, 1e30]])
    x = np.concatenate([x, -x]).astype(np.float32)
    y = np.zeros_like(x)
    tanh(x, y)
    exact = np.tanh(x.astype(np.float64))
    assert np.abs(y - exact).max() < 5e-7
    assert (np.abs(y - exact) <= 5e-7 * np.abs(exact)).all()


def test_tanh_lets_what_is_no_number_pass():
    y = np.zeros(3, np.float32)
    tanh(np.array([np.nan, np.inf, -np.inf], np.float32), y)
    assert np.isnan(y[0])
    assert np.allclose(y[1:], [1, -1], atol=1e-6)
