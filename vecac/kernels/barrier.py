"""A barrier for kernels that run on several threads, so that they need not return to Python to meet."""

import sys
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

SPINS = 200
"""Looks at the counter before each offer to run someone else: on a busy machine the missing thread."""

_yield = types.ExternalFunction("SwitchToThread" if sys.platform == "win32" else "sched_yield", types.int32())


@intrinsic
def _fetch_add(_context: Any, array: Any, value: Any) -> Any:
    """Add to array[0], an int64, as one indivisible step that all threads see in order; the number before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        amount = builder.sext(args[1], ir.IntType(64)) if args[1].type.width < 64 else args[1]
        return builder.atomic_rmw("add", data, amount, "seq_cst")

    return types.int64(array, value), generate


@njit
def meet(arrivals: Any, num_threads: int) -> None:
    """Wait until all threads are here, as often as one likes; what each wrote before, all see after.

    Args:
        arrivals: (1,) int64, 0 at first and nobody else's: how often threads have come here.
        num_threads: how many take part.
    """
    if num_threads == 1:
        return
    everyone = (_fetch_add(arrivals, 1) // num_threads + 1) * num_threads
    spins = 0
    while _fetch_add(arrivals, 0) < everyone:
        spins += 1
        if spins % SPINS == 0:
            _yield()
