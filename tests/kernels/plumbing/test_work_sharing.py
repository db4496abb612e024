"""Threads share out blocks, each once a round, and see what the others wrote."""

import threading

import numpy as np
import pytest
from numba import njit

from vecac.kernels.plumbing.work_sharing import (
    ACQUIRED,
    ARRIVED,
    COMPLETED,
    arrive,
    complete,
    num_counters,
    try_acquire,
    wait,
)

MODULUS = 1_000_003


@njit(nogil=True)
def add_up(counters, share, numbers, workers, rounds):
    """In every round each block's number becomes the sum of all numbers of the round before."""
    num_blocks = numbers.shape[1]
    done = wait(counters, 0)
    while done < rounds:
        for i in range(num_blocks):
            block = (share + i) % num_blocks
            if try_acquire(counters, block, done):
                total = 0
                for number in numbers[done]:
                    total += number
                numbers[done + 1, block] += total % MODULUS
                workers[done, block] = share + 1
                if arrive(counters):
                    complete(counters)
        done = wait(counters, done + 1)


def new_counters(num_blocks):
    return np.zeros(num_counters(num_blocks), np.int64)


def run(shares, num_blocks, rounds):
    """The counters, the sums and who made them, after as many threads as there are shares."""
    counters = new_counters(num_blocks)
    numbers, workers = np.zeros((2, rounds + 1, num_blocks), np.int64)
    numbers[0] = range(1, num_blocks + 1)
    args = (counters, 0, numbers, workers, 0)
    add_up(*args)  # compiles
    threads = [
        threading.Thread(target=add_up, args=(counters, share, numbers, workers, rounds), daemon=True)
        for share in shares
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    return counters, numbers, workers


@pytest.mark.parametrize("shares", [[0], [0, 3], [0, 1, 2, 3, 4], [2, 2]])
def test_no_round_begins_before_the_last_one_is_written_and_no_block_is_done_twice(shares):
    num_blocks, rounds = 7, 3000
    counters, numbers, _ = run(shares, num_blocks, rounds)
    total = num_blocks * (num_blocks + 1) // 2
    for row in numbers[1:]:
        assert (row == total % MODULUS).all()
        total = num_blocks * (total % MODULUS)
    assert counters[ARRIVED] == num_blocks * rounds
    assert counters[COMPLETED] == rounds
    assert (counters[ACQUIRED:] == rounds).all()


def test_a_thread_begins_with_its_own_share():
    *_, workers = run([5], num_blocks=7, rounds=1)
    assert (workers[0] == 6).all()
    counters = new_counters(4)
    assert try_acquire(counters, 2, 0)
    assert not try_acquire(counters, 2, 0)
    assert counters[ACQUIRED:].tolist() == [0, 0, 1, 0]


def test_a_thread_that_lags_rounds_behind_acquires_nothing_and_changes_nothing():
    counters = new_counters(2)
    counters[ACQUIRED:] = 5
    assert not try_acquire(counters, 1, 3)
    assert counters[ACQUIRED:].tolist() == [5, 5]


def test_nobody_waits_for_a_thread_that_has_no_block():
    """The thread for block 3's share never comes; one that comes late finds all done and completed."""
    counters, _, workers = run([0], num_blocks=7, rounds=5)
    assert (workers[:5] == 1).all()
    assert wait(counters, 0) == 5


def test_the_last_block_of_a_round_is_told_from_the_others():
    counters = new_counters(3)
    assert [arrive(counters) for _ in range(6)] == [False, False, True, False, False, True]
