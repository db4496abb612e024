"""A borrowed array is the same memory, and its users are not counted."""

import sys
from typing import NamedTuple

import numpy as np
from numba import njit

from vecac.kernels.plumbing.borrowing import borrow


class Pair(NamedTuple):
    number: float
    array: np.ndarray
    more: tuple


@njit
def count(memory):
    borrowed = borrow(memory)
    borrowed.array[1] += borrowed.number
    borrowed.more[0][0, 1] = borrowed.array.shape[0]
    return borrowed.more[1]


def test_a_borrowed_array_is_the_same_memory():
    memory = Pair(2.0, np.array([1.0, 5.0, 7.0]), (np.zeros((1, 2)), 9))
    assert count(memory) == 9
    assert memory.array.tolist() == [1, 7, 7]
    assert memory.more[0].tolist() == [[0, 3]]


def test_the_kernel_counts_no_users():
    array = np.zeros(3)
    before = sys.getrefcount(array)
    for _ in range(10):
        count(Pair(1.0, array, (np.zeros((1, 2)), 0)))
    assert sys.getrefcount(array) == before
    assert array[1] == 10
