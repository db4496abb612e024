"""Work sharing: blocks of environments for kernels on several threads, with a barrier after each round.

In each round every block is worked on once. A thread begins with its own share, round for round the
same, whose memory its core still has at hand, then helps the others with theirs. Blocks arrive at the
barrier, not threads: one that wakes up late or is put aside by a busy machine keeps nobody waiting.

Two rounds of four blocks on two threads; [2 acquires block 2 by compare_and_swap, ] arrives by fetch_add:

                         round 0                      | round 1
    thread 0, share 0    [0  ][1  ][3  ]wait..........|[0      ][1      ]wait.............|
    thread 1, share 2    [2               ]completion |[2   ][3              ]completion  |
"""

from typing import Any

from numba import njit

from vecac.kernels.plumbing.numba_internals import compare_and_swap, fetch_add, sched_yield

ARRIVED, COMPLETED, ACQUIRED = 0, 8, 16
"""Where the counters tell of blocks arrived, rounds completed and, from ACQUIRED on, the rounds each block
was acquired in: int64, each from a cache line of its own."""

ABORTED = 2**62
"""More rounds than anyone waits for."""

SPINS = 200
"""Looks at a counter before each offer to run someone else: on a busy machine the thread waited for."""


def num_counters(num_blocks: int) -> int:
    """The length of the array of counters, which are all 0 at first."""
    return ACQUIRED + num_blocks


@njit
def try_acquire(counters: Any, block: int, num_rounds: int) -> Any:
    """Take a block that was acquired in num_rounds rounds; False if another thread has it this time."""
    return compare_and_swap(counters, ACQUIRED + block, num_rounds, num_rounds + 1)


@njit
def arrive(counters: Any) -> Any:
    """An acquired block is done; whether it was the round's last, so that `complete` falls to the caller."""
    return (fetch_add(counters, ARRIVED, 1) + 1) % (counters.size - ACQUIRED) == 0


@njit
def complete(counters: Any) -> None:
    """Open the barrier: the next round's threads see all that was written in the rounds before."""
    fetch_add(counters, COMPLETED, 1)


def abort(counters: Any) -> None:
    """After a failure: open the barrier for all rounds that anyone might wait for."""
    counters[COMPLETED] = ABORTED


@njit
def wait(counters: Any, num_rounds: int) -> Any:
    """Until so many rounds are completed, or more; how many."""
    spins = 0
    completed = fetch_add(counters, COMPLETED, 0)
    while completed < num_rounds:
        spins += 1
        if spins % SPINS == 0:
            sched_yield()
        completed = fetch_add(counters, COMPLETED, 0)
    return completed
