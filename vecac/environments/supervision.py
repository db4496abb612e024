"""Worker processes: how they are brought to an end, whatever state they are in."""

import time

from gymnasium.vector import AsyncVectorEnv
from gymnasium.vector.async_vector_env import AsyncState

GRACE_SECONDS = 0.5
"""How long workers get to close their environments, and again to obey SIGTERM."""


def shut_down(envs: AsyncVectorEnv) -> None:
    """End every worker within about a second: ask, terminate, kill. Raises nothing, leaves nobody.

    AsyncVectorEnv.close() hangs or raises where a worker is stuck, stopped or dead.
    """
    if envs._state is AsyncState.DEFAULT:
        for pipe in envs.parent_pipes:
            _ask_to_close(pipe)
        _join_all(envs)
    for process in envs.processes:
        process.terminate()
    _join_all(envs)
    for process in envs.processes:
        process.kill()  # a stopped process never sees SIGTERM
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


def _join_all(envs: AsyncVectorEnv) -> None:
    """Wait for the workers against one shared deadline, not one each."""
    deadline = time.monotonic() + GRACE_SECONDS
    for process in envs.processes:
        process.join(max(0.0, deadline - time.monotonic()))
