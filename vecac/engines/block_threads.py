"""Kernels on several threads at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

BLOCKS_A_THREAD = 2
"""Fewer are not worth a thread: on a busy machine it waits longer for the others than it works."""


class BlockThreads:
    """Threads that share out blocks; which of them runs a block changes no number.

    Args:
        num_threads: the most to use; the calling thread is one of them.
        num_blocks: how many blocks there are.
    """

    def __init__(self, num_threads: int, num_blocks: int) -> None:
        self.count = max(1, min(num_threads, num_blocks // BLOCKS_A_THREAD))
        bounds = [num_blocks * i // self.count for i in range(self.count + 1)]
        self._shares = list(pairwise(bounds))
        self._pool = ThreadPoolExecutor(self.count - 1) if self.count > 1 else None

    def run(self, kernel: Callable[..., Any], memory: Any, *args: Any) -> Any:
        """Call kernel(memory, first_block, last_block, *args), which must release the GIL, for all blocks.

        Returns what the call for the first block does.
        """
        waiting = []
        if self._pool is not None:
            waiting = [self._pool.submit(kernel, memory, *share, *args) for share in self._shares[1:]]
        result = kernel(memory, *self._shares[0], *args)
        for other in waiting:
            other.result()
        return result

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()
