"""Runs of a study on a Ray cluster: what deals them out, and does them again where a node dies, is Ray."""

import logging
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import ray

from vecac.errors import UsageError
from vecac.signals import STOP_SIGNALS
from vecac.studies.outcome import Outcome, failed
from vecac.studies.workers import AHEAD, TICK_SECONDS, Task, do

RETRIES = 3
"""Of a run whose worker is killed, or whose node dies."""

CONNECT_SECONDS = 5.0
"""How long a cluster may take to answer."""

_trainers: dict[Any, Any] = {}
"""Of a worker process of Ray's, which does one run after the other."""


def _train(task: Task) -> Outcome:
    import torch

    torch.set_num_threads(1)
    return do(task, _trainers)


class ClusterWorkers:
    """A Pool of a cluster's cores.

    Args:
        address: of the cluster, as ray.init takes it: "auto" or "HOST:PORT". Its nodes need vecac, and the
            environments, installed.

    Raises:
        UsageError: there is no such cluster.
    """

    def __init__(self, address: str) -> None:
        before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        try:
            _require_listener(address)  # Ray would try for minutes
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise UsageError(
                f"--cluster {address} is no Ray cluster that can be reached: {reason}"
            ) from error
        finally:
            for number, handler in before.items():  # Ray takes SIGTERM for itself
                signal.signal(number, handler)
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self.count = int(resources.get("CPU", 1))
        self._train = ray.remote(num_cpus=1, max_retries=RETRIES)(_train)

    def prepare(self, tasks: Sequence[Task]) -> Iterator[Outcome | None]:
        """See Pool."""
        return self.run(iter(tasks))

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome | None]:
        """See Pool."""
        pending: dict[Any, Task] = {}
        while True:
            while len(pending) < AHEAD * self.count and (task := next(tasks, None)) is not None:
                pending[self._train.remote(task)] = task
            if not pending:
                return
            ready, _ = ray.wait(list(pending), timeout=TICK_SECONDS)
            if not ready:
                yield None
            for reference in ready:
                task = pending.pop(reference)
                try:
                    yield ray.get(reference)
                except ray.exceptions.RayError as error:
                    yield failed(task.setting, task.seed or 0, f"its process died: {type(error).__name__}")

    def close(self) -> None:
        """Leave the cluster; what was not finished is given up there."""
        with suppress(ray.exceptions.RayError):
            ray.shutdown()


def _require_listener(address: str) -> None:
    """Raise the OSError if nothing listens at HOST:PORT."""
    host, separator, port = address.rpartition(":")
    if separator and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
