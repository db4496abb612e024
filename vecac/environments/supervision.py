"""Worker processes: how their errors are told, and how they end, whatever state they are in."""

import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from gymnasium.vector import AsyncVectorEnv
from gymnasium.vector.async_vector_env import AsyncState

from vecac.environments.worker import STOP_SIGNALS

GRACE_SECONDS = 1.0
"""How long workers get to close their environments before they are killed."""


@contextmanager
def stop_signals_held() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back while worker processes start.

    Workers inherit this, and let go once they can outlive such a signal: one that came before would
    end them in the middle of their imports.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows, where workers have no mask to inherit
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class SupervisedVectorEnv(AsyncVectorEnv):
    """AsyncVectorEnv that raises a worker's error as it was, and prints nothing of its own.

    Gymnasium's logs the workers' tracebacks and raises type(error)(error), which some types refuse.
    """

    def _raise_if_errors(self, successes: Iterable[bool]) -> None:
        errors = {}
        for _ in range(sum(not success for success in successes)):
            index, _, error, _ = self.error_queue.get()
            errors[index] = error
        if errors:
            raise errors[min(errors)]


def dead_worker(envs: AsyncVectorEnv) -> int | None:
    """The index of the first worker process that has ended, if any has."""
    for index, process in enumerate(envs.processes):
        process.join(0.05)  # its pipe may break a moment before it is gone
        if not process.is_alive():
            return index
    return None


def shut_down(envs: AsyncVectorEnv) -> None:
    """End every worker within about a second: ask, then kill. Raises nothing, leaves nobody.

    AsyncVectorEnv.close() hangs or raises where a worker is stuck, stopped or dead.
    """
    if envs._state is AsyncState.DEFAULT:
        for pipe in envs.parent_pipes:
            _ask_to_close(pipe)
        deadline = time.monotonic() + GRACE_SECONDS  # one for all, not one each
        for process in envs.processes:
            process.join(max(0.0, deadline - time.monotonic()))
    for process in envs.processes:
        process.kill()
        process.join()
    for pipe in envs.parent_pipes:
        if pipe is not None:
            pipe.close()
    envs.error_queue.close()
    envs.error_queue.cancel_join_thread()
    envs.closed = True


def _ask_to_close(pipe) -> None:  # type: ignore[no-untyped-def]
    try:
        if pipe is not None:
            pipe.send(("close", None))
    except OSError:  # its worker is gone already
        pass
