"""Threads that meet see what the others wrote."""

import threading

import numpy as np
import pytest
from numba import njit

from vecac.kernels.barrier import meet


@njit(nogil=True)
def take_turns(arrivals, numbers, thread, num_threads, rounds):
    """In every round each thread adds up what all wrote in the round before."""
    for i in range(rounds):
        total = 0
        for number in numbers[i]:
            total += number
        numbers[i + 1, thread] = total % 1_000_003
        meet(arrivals, num_threads)


@pytest.mark.parametrize("num_threads", [1, 2, 5])
def test_no_thread_goes_on_before_all_have_written(num_threads):
    rounds = 3000
    arrivals, numbers = np.zeros(1, np.int64), np.zeros((rounds + 1, num_threads), np.int64)
    numbers[0] = range(1, num_threads + 1)
    take_turns(arrivals, numbers.copy(), 0, 1, 1)  # compiles
    threads = [
        threading.Thread(target=take_turns, args=(arrivals, numbers, i, num_threads, rounds), daemon=True)
        for i in range(num_threads)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    total = num_threads * (num_threads + 1) // 2
    for row in numbers[1:]:
        assert (row == total % 1_000_003).all()
        total = num_threads * (total % 1_000_003)
    assert arrivals[0] == (0 if num_threads == 1 else rounds * num_threads)
