"""Worker processes: how their errors are told, and how they end, whatever state they are in."""

import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gymnasium.vector import AsyncVectorEnv
from gymnasium.vector.async_vector_env import AsyncState

from vecac.errors import EnvironmentFault
from vecac.signals import STOP_SIGNALS

GRACE_SECONDS = 1.0
"""How long workers get to close their environments before they are killed."""

START_SECONDS = 120.0
"""The least that processes get to start, import what their environments need, and make these."""

DEATH_SECONDS = 0.5
"""How long a process may take to be gone after its pipe broke."""


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
    """AsyncVectorEnv that waits for no worker forever, raises a worker's error as it was, and prints nothing.

    Gymnasium's logs the workers' tracebacks and raises type(error)(error), which some types refuse.

    Args:
        factories: as for AsyncVectorEnv, like the other arguments.
        step_timeout: seconds for the slowest environment to answer.
    """

    def __init__(self, factories: Sequence[Any], step_timeout: float, **options: Any) -> None:
        self._step_timeout = max(step_timeout, START_SECONDS)
        try:
            super().__init__(factories, **options)
        except Exception as error:
            death = death_of_a_worker(self)
            shut_down(self)
            raise EnvironmentFault(death or str(error)) from error
        self._step_timeout = step_timeout
        for pipe in self.parent_pipes:
            _limit_waits(pipe, step_timeout)

    def _check_spaces(self) -> None:
        """Gymnasium's check, once every worker has told whether it could make its environment."""
        for reason in self.get_attr("unmade"):
            if reason is not None:
                raise EnvironmentFault(reason)
        super()._check_spaces()  # type: ignore[no-untyped-call]

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute, to a value for each environment; Gymnasium's waits without end."""
        for pipe, value in zip(self.parent_pipes, values, strict=True):
            pipe.send(("_setattr", (name, value)))
        self._poll_pipe_envs()
        self._raise_if_errors(success for _, success in [pipe.recv() for pipe in self.parent_pipes])

    def _poll_pipe_envs(self, timeout: float | None = None) -> bool:
        """Wait until every worker has answered, whatever it is called for.

        Raises:
            EnvironmentFault: one of them has not, in time.
        """
        deadline = time.monotonic() + self._step_timeout
        for index, pipe in enumerate(self.parent_pipes):
            if not pipe.poll(max(0.0, deadline - time.monotonic())):
                raise self._unanswered(index)
        return True

    def _unanswered(self, index: int) -> EnvironmentFault:
        does = "is stopped" if _is_stopped(self.processes[index].pid) else "is still busy"
        waited = f"{self._step_timeout:g} s (--step-timeout)"
        return EnvironmentFault(
            f"environment {index} has not answered for {waited}: its worker process {does}"
        )

    def explain(self, error: Exception) -> EnvironmentFault | None:
        """The fault behind an error of a pipe: a worker that stopped in mid-message, or has died."""
        if isinstance(error, BlockingIOError):
            stopped = (i for i, process in enumerate(self.processes) if _is_stopped(process.pid))
            return self._unanswered(next(stopped, 0))
        death = death_of_a_worker(self)
        return None if death is None else EnvironmentFault(death)

    def _raise_if_errors(self, successes: Iterable[bool]) -> None:
        count = sum(not success for success in successes)
        errors = [self.error_queue.get(timeout=self._step_timeout) for _ in range(count)]
        if errors:
            raise min(errors, key=lambda told: told[0])[2]  # the first environment's


def death_of_a_worker(envs: AsyncVectorEnv) -> str | None:
    """Which worker process has ended, and how; None if none has."""
    deadline = time.monotonic() + DEATH_SECONDS  # a pipe may break a moment before its process is gone
    while time.monotonic() < deadline:
        for index, process in enumerate(envs.processes):
            if (code := process.exitcode) is not None:
                how = f"ended with exit code {code}" if code >= 0 else f"was killed by signal {-code}"
                return f"the worker process of environment {index} {how}"
        time.sleep(0.01)
    return None


def _limit_waits(pipe: Any, seconds: float) -> None:
    """Have reads and writes of a pipe fail with BlockingIOError when they make no progress for so long.

    Waiting for a message's first bytes is limited elsewhere; this is for a worker that stops behind them.
    """
    if sys.platform != "linux":
        return
    timeval = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    with socket.socket(fileno=os.dup(pipe.fileno())) as end:  # what multiprocessing's pipes are
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            end.setsockopt(socket.SOL_SOCKET, option, timeval)


def _is_stopped(pid: int | None) -> bool:
    """Whether a process is stopped, by SIGSTOP for one; where /proc does not tell, it is not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    return False


def shut_down(envs: AsyncVectorEnv) -> None:
    """End every worker within about a second: ask, then kill. Raises nothing, leaves nobody.

    AsyncVectorEnv.close() hangs or raises where a worker is stuck, stopped or dead.
    """
    if envs._state is AsyncState.DEFAULT:
        for pipe in filter(None, envs.parent_pipes):
            with suppress(OSError):  # its worker is gone already
                pipe.send(("close", None))
        deadline = time.monotonic() + GRACE_SECONDS  # one for all, not one each
        for process in envs.processes:
            process.join(max(0.0, deadline - time.monotonic()))
    for process in envs.processes:
        process.kill()
        process.join()
    for pipe in filter(None, envs.parent_pipes):
        pipe.close()
    envs.error_queue.close()
    envs.error_queue.cancel_join_thread()
    envs.closed = True
