import threading
import time

import numpy as np
import pytest
from numba import njit
from support import assert_raises_soon

from vecac.kernels.plumbing.work_sharing import num_counters, wait
from vecac.learners.block_threads import BlockThreads


@pytest.mark.parametrize(
    ("num_threads", "num_blocks", "shares"),
    [
        (1, 5, [0]),
        (2, 5, [0, 2]),
        (8, 3, [0]),
        (8, 6, [0, 2, 4]),
        (3, 64, [0, 21, 42]),
    ],
)
def test_every_thread_has_a_share_of_the_blocks(num_threads, num_blocks, shares):
    threads = BlockThreads(num_threads, num_blocks)
    meeting = threading.Barrier(len(shares), timeout=30)
    calls = []

    def kernel(counters, share, *args):
        calls.append((share, args))
        meeting.wait()

    threads.run(kernel, "m", 7)
    assert threads.count == len(shares)
    assert sorted(share for share, _ in calls) == shares
    assert {args for _, args in calls} == {("m", 7)}
    threads.close()


def test_each_run_starts_with_counters_of_zero_as_long_as_the_blocks_ask_for():
    threads = BlockThreads(1, 5)
    seen = []

    def kernel(counters, share):
        seen.append(counters.tolist())
        counters[:] = 7

    threads.run(kernel)
    threads.run(kernel)
    assert seen == [[0] * 21] * 2
    threads.close()


def test_they_run_at_the_same_time_and_are_gone_after_close():
    before = threading.active_count()
    threads, meeting = BlockThreads(3, 6), threading.Barrier(3, timeout=30)
    threads.run(lambda *_: meeting.wait())
    threads.close()
    assert threading.active_count() == before


def test_nobody_waits_for_a_thread_that_has_not_begun():
    threads = BlockThreads(2, 4)
    asleep = threading.Event()
    threads._pool.submit(asleep.wait, 60)
    started = time.monotonic()
    threads.run(lambda counters, share: None)
    assert time.monotonic() - started < 30
    asleep.set()
    threads.close()


@njit(nogil=True)
def wait_for_a_round(counters):
    wait(counters, 1)


@pytest.mark.parametrize("failing", [0, 2])
def test_what_a_thread_raises_is_raised_and_nobody_waits_for_its_block(failing):
    threads = BlockThreads(2, 4)
    wait_for_a_round(np.full(num_counters(4), 1))  # compiles
    meeting = threading.Barrier(2, timeout=30)

    def fail(counters, share):
        meeting.wait()
        if share == failing:
            raise ZeroDivisionError
        wait_for_a_round(counters)

    assert_raises_soon(ZeroDivisionError, threads.run, fail)
    threads.run(lambda counters, share: None)  # the next one finds counters of 0 and idle threads
    assert not threads.counters.any()
    threads.close()


def test_an_error_is_raised_when_no_thread_works_any_more():
    threads, meeting, done = BlockThreads(2, 4), threading.Barrier(2, timeout=30), []

    def fail(counters, share):
        meeting.wait()
        if share == 0:
            raise ZeroDivisionError
        time.sleep(0.3)
        done.append(share)

    with pytest.raises(ZeroDivisionError):
        threads.run(fail)
    assert done == [2]
    threads.close()
