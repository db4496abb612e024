"""What a kernel computes is chosen by the types of its arguments."""

import numpy as np
import pytest
from numba import njit

from vecac.kernels.plumbing.choosing import chosen_by_type, has, length, where_present

LONG = np.zeros(1, [("extra", np.float64, (3,)), ("number", np.float64)])
SHORT = np.zeros(1, [("number", np.float64)])


@chosen_by_type(error_model="numpy")
def describe(record, divisor):
    """The extra numbers by the divisor, or the number alone."""
    count = length(record, "extra") if has(record, "extra") else 0
    if count:
        return lambda record, divisor: count / divisor
    return lambda record, divisor: record.number / divisor


@where_present("extra")
def mark(number, record):
    record.extra[0] = number


@njit
def kernel(record, divisor):
    mark(7.0, record)
    return describe(record, divisor)


def test_it_is_chosen_while_the_kernel_is_compiled():
    SHORT["number"] = 5.0
    assert kernel(LONG[0], 2.0) == 1.5
    assert kernel(SHORT[0], 2.0) == 2.5
    assert LONG["extra"][0].tolist() == [7, 0, 0]
    assert SHORT[0].item() == (5.0,)


def test_it_is_compiled_with_the_options():
    assert kernel(LONG[0], 0.0) == np.inf  # by plain Python's arithmetic this raises


@pytest.mark.parametrize(("function", "name"), [(describe, "describe"), (mark, "mark")])
def test_only_kernels_call_it(function, name):
    with pytest.raises(TypeError, match=f"{name} is for kernels to call"):
        function(LONG[0], 2.0)
