"""Fork and join: a kernel on a team of threads, which share out its blocks."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from vecac.kernels.plumbing.work_sharing import abort, num_counters
from vecac.learners.kernel_parameters import aligned

BLOCKS_A_THREAD = 2
"""Fewer are not worth a thread: on a busy machine it waits longer for the others than it works."""


class BlockThreads:
    """A team of threads; which of them runs a block changes no number.

    Args:
        num_threads: the most to use; the calling thread is one of them.
        num_blocks: how many blocks there are.
    """

    def __init__(self, num_threads: int, num_blocks: int) -> None:
        self.count = max(1, min(num_threads, num_blocks // BLOCKS_A_THREAD))
        self.counters = aligned(num_counters(num_blocks), np.dtype(np.int64))
        self._shares = [num_blocks * i // self.count for i in range(self.count)]
        self._pool = ThreadPoolExecutor(max(1, self.count - 1))  # which starts none before it has work

    def run(self, kernel: Callable[..., None], *args: Any) -> None:
        """Fork, call kernel(counters, share, *args), which must release the GIL, on all threads, and join."""
        self.counters.fill(0)
        others = []
        try:
            for share in self._shares[1:]:
                others.append(self._pool.submit(self._call, kernel, share, args))
            self._call(kernel, self._shares[0], args)
        finally:
            # One that has not woken up yet would find nothing left to do.
            begun = [other for other in others if not other.cancel()]
            if begun:
                wait(begun)
        for other in begun:
            other.result()

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _call(self, kernel: Callable[..., None], share: int, args: tuple[Any, ...]) -> None:
        try:
            kernel(self.counters, share, *args)
        except BaseException:
            abort(self.counters)  # the others would wait for this one's block
            raise
