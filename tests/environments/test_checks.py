import numpy as np
import pytest

from vecac.environments.checks import require_finite, require_shape, to_float32
from vecac.errors import EnvironmentFault


def test_large_but_finite_numbers_pass():
    large = np.full((2, 2), 3e38, np.float32)
    assert not np.isfinite(np.vdot(large, large))  # the quick look is not enough
    require_finite("observation", large)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_the_first_number_that_is_not_finite_is_named(number):
    array = np.array([[0, 0], [1, number], [number, 0]], np.float32)
    with pytest.raises(EnvironmentFault, match=rf"environment 1 returned the reward \[1.0, {number}\]"):
        require_finite("reward", array)


def test_float32_copies():
    numbers = np.ones((2, 3), np.float32, order="F")
    copy = to_float32(numbers)
    numbers[:] = 2
    assert copy.flags.c_contiguous and copy.tolist() == [[1, 1, 1]] * 2
    assert to_float32([1e300, -0.5]).tolist() == [np.inf, -0.5]


def test_shapes():
    require_shape("reward", np.zeros(3), (3,))
    with pytest.raises(
        EnvironmentFault, match=r"environment 4 returned a row of shape \(3,\), expected \(3, 1\)"
    ):
        require_shape("a row", np.zeros(3), (3, 1), 4)
    with pytest.raises(EnvironmentFault, match="the vector environment returned a row"):
        require_shape("a row", np.zeros(3), (1, 3))
