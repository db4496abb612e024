"""Blocks of environments, shared out to kernels on several threads, round after round.

In each round every block is worked on once. A thread begins with its own share, round for round the
same, whose memory its core still has at hand, then helps the others with theirs. It waits for blocks that
are in work, never for a thread that has none: one that wakes up late or is put aside by a busy machine
keeps nobody waiting.
"""

import sys
from typing import Any

from numba import njit, types
from numba.extending import intrinsic

DONE, CLOSED, CLAIMED = 0, 8, 16
"""Where a queue counts blocks done, rounds closed and, from CLAIMED on, the rounds each block was claimed
in: in three cache lines or more, as int64."""

ABANDONED = 2**62
"""More rounds than anyone waits for."""

SPINS = 200
"""Looks at a counter before each offer to run someone else: on a busy machine the thread waited for."""

_yield = types.ExternalFunction("SwitchToThread" if sys.platform == "win32" else "sched_yield", types.int32())


def queue_size(num_blocks: int) -> int:
    """The length of a queue, an array that is all 0 at first."""
    return CLAIMED + num_blocks


@intrinsic
def _add(_context: Any, array: Any, index: Any, number: Any) -> Any:
    """Add to array[index], an int64, in one step that all threads see in order; the number before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place, (number,) = _place_and_numbers(context, builder, signature, args)
        return builder.atomic_rmw("add", place, number, "seq_cst")

    return types.int64(array, index, number), generate


@intrinsic
def _replace(_context: Any, array: Any, index: Any, old: Any, new: Any) -> Any:
    """Make array[index], an int64, `new` if it is `old`, as one step like _add's; the number before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place, (old, new) = _place_and_numbers(context, builder, signature, args)
        return builder.extract_value(builder.cmpxchg(place, old, new, "seq_cst", "seq_cst"), 0)

    return types.int64(array, index, old, new), generate


def _place_and_numbers(context: Any, builder: Any, signature: Any, args: Any) -> tuple[Any, list[Any]]:
    """The address of args[0][args[1]], and the further arguments as int64."""
    array, *integers = zip(args, signature.args, strict=True)
    index, *numbers = (context.cast(builder, value, kind, types.int64) for value, kind in integers)
    data = context.make_array(array[1])(context, builder, array[0]).data
    return builder.gep(data, [index]), numbers


@njit
def claim(queue: Any, block: int, num_rounds: int) -> Any:
    """Take a block that was claimed in num_rounds rounds; False if another thread has it this time."""
    return _replace(queue, CLAIMED + block, num_rounds, num_rounds + 1) == num_rounds


@njit
def finish(queue: Any) -> Any:
    """Tell of a claimed block done; whether it was the round's last, so that `close` falls to the caller."""
    return (_add(queue, DONE, 1) + 1) % (queue.size - CLAIMED) == 0


@njit
def close(queue: Any) -> None:
    """Let the next round begin; its threads see all that was written in the rounds before."""
    _add(queue, CLOSED, 1)


def abandon(queue: Any) -> None:
    """After a failure: wake up all who wait, as if there had been every round that they might wait for."""
    queue[CLOSED] = ABANDONED


@njit
def wait(queue: Any, num_rounds: int) -> Any:
    """Until so many rounds are closed, or more; how many."""
    spins = 0
    closed = _add(queue, CLOSED, 0)
    while closed < num_rounds:
        spins += 1
        if spins % SPINS == 0:
            _yield()
        closed = _add(queue, CLOSED, 0)
    return closed
