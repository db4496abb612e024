"""Worker processes, each of which trains one run after the other."""

import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from vecac.config import Config
from vecac.environments.supervision import stop_signals_held
from vecac.errors import UsageError
from vecac.notices import show_warning
from vecac.signals import STOP_SIGNALS
from vecac.studies.outcome import Outcome, failed

if TYPE_CHECKING:
    from vecac.studies.training import Trainer

AHEAD = 2
"""See Workers.run."""

TICK_SECONDS = 0.2
"""How often whoever waits for runs may look about."""

MOST_TRAINERS = 4096
"""Settings that a worker keeps at hand."""

STARTS = 10
"""Times that a worker is tried to start, TICK_SECONDS apart."""

ATTEMPTS = 2
"""Of a run whose worker is killed."""


class Task(NamedTuple):
    """A run to be done: the number of its setting, its seed, and what to train by, whose own seed is not it.

    Without a seed there is nothing to be done, but to get ready for the setting.
    """

    setting: int
    seed: int | None
    config: Config


class Pool(Protocol):
    """Whoever has runs done: processes of this machine, or a cluster."""

    count: int
    """Runs at a time."""

    def prepare(self, tasks: Sequence[Task]) -> Iterator[Outcome | None]:
        """`run` for tasks without a seed, with which all get ready: the error of a setting that cannot run
        here is told by its outcome.
        """

    def run(self, tasks: Iterator[Task]) -> Iterator[Outcome | None]:
        """Outcomes as runs end; None every TICK_SECONDS in between.

        A run whose process dies is done again; if that dies too, it has failed.
        """

    def close(self) -> None:
        """End what is in progress."""


@dataclass
class _Worker:
    process: Any
    pipe: "Connection[Any, Any]"
    tasks: deque[Task] = field(default_factory=deque)  # the first is in progress


class Workers:
    """Processes that train. To be closed; whatever they are at is lost then.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        method = "forkserver" if sys.platform.startswith("linux") else "spawn"
        self._context: Any = multiprocessing.get_context(method)
        if method == "forkserver":  # what takes seconds to import is imported once
            self._context.set_forkserver_preload(["vecac.studies.training"])
            # Which lets go of the signals that `_start` holds back from the server, if it runs within.
            resource_tracker.ensure_running()
        self.count, self._workers = count, list[_Worker]()
        self._attempts: dict[tuple[int, int | None], int] = {}
        try:
            for _ in range(count):
                self._start()
        except OSError as error:
            self.close()
            raise UsageError(
                f"{count} worker processes cannot be started ({error}): use fewer --workers, and a TMPDIR "
                "with a short name"
            ) from error

    def prepare(self, tasks: Sequence[Task]) -> Iterator[Outcome | None]:
        """See Pool."""
        everywhere = [task for task in tasks for _ in range(-(-self.count // len(tasks)))]
        return self.run(iter(everywhere), ahead=1)

    def run(self, tasks: Iterator[Task], ahead: int = AHEAD) -> Iterator[Outcome | None]:
        """See Pool; `ahead`: tasks that a worker is given at a time, so that it never waits for one."""
        again: deque[Task] = deque()
        while True:
            for worker in self._workers:
                while len(worker.tasks) < ahead:
                    task = again.popleft() if again else next(tasks, None)
                    if task is None:
                        break
                    worker.tasks.append(task)
                    with suppress(OSError):  # it has died, which is seen below
                        worker.pipe.send(task)
            busy = [worker for worker in self._workers if worker.tasks]
            if not busy:
                return
            # A worker that has died may have children who hold its end of the pipe.
            ready = wait(
                [end for worker in busy for end in (worker.pipe, worker.process.sentinel)], TICK_SECONDS
            )
            if not ready:
                yield None
            for worker in busy:
                outcome = None
                if worker.pipe in ready:
                    outcome = self._receive(worker, again)
                elif worker.process.sentinel in ready:
                    outcome = self._bury(worker, again)
                if outcome is not None:
                    yield outcome

    def close(self) -> None:
        """Kill them."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        for attempt in range(STARTS):
            process = self._context.Process(target=work, args=(theirs,))  # no daemon: those have no children
            try:
                with stop_signals_held():
                    process.start()
                break
            except (EOFError, ConnectionError):
                if attempt == STARTS - 1:
                    raise
                # The server of forks has died, and is started again once that is noticed.
                time.sleep(TICK_SECONDS)
        theirs.close()
        self._workers.append(_Worker(process, ours))

    def _receive(self, worker: _Worker, again: deque[Task]) -> Outcome | None:
        try:
            outcome: Outcome = worker.pipe.recv()
        except (EOFError, OSError):
            return self._bury(worker, again)
        worker.tasks.popleft()
        return outcome

    def _bury(self, worker: _Worker, again: deque[Task]) -> Outcome | None:
        """Put another in a dead worker's place; the outcome of its run, if that was its last attempt."""
        self._workers.remove(worker)
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        self._start()
        task = worker.tasks.popleft()
        again.extend(worker.tasks)
        key = task.setting, task.seed
        self._attempts[key] = self._attempts.get(key, 0) + 1
        if self._attempts[key] < ATTEMPTS:
            again.append(task)
            return None
        code = worker.process.exitcode
        why = f"its process died, {ATTEMPTS} times (exit code {code})"
        if task.seed is None:
            why += (
                "; what it printed says why: a script that calls vecac.study, for one, has to be a file, "
                "and to do so below if __name__ == '__main__':"
            )
        return failed(task.setting, task.seed or 0, why)


def work(pipe: "Connection[Any, Any]") -> None:
    """Train what comes through the pipe, and send what came out, until the pipe or the parent has gone."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # the parent ends us
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    warnings.showwarning = show_warning
    trainers: dict[tuple[int, Config], Trainer] = {}
    with suppress(EOFError, BrokenPipeError):
        while True:
            task = pipe.recv()
            pipe.send(do(task, trainers))


def do(task: Task, trainers: "dict[tuple[int, Config], Trainer]") -> Outcome:
    """What comes of a task; `trainers` are those that the process has at hand."""
    from vecac.studies.training import Trainer

    key = task.setting, task.config
    try:
        if key not in trainers:
            if len(trainers) == MOST_TRAINERS:
                trainers.clear()
            trainers[key] = Trainer(*key)
        if task.seed is None:
            trainers[key].get_ready()
            return Outcome(task.setting, 0, "ready")
        return trainers[key].train(task.seed)
    except BaseException as error:  # an environment may raise anything, and signals do not come here
        return failed(task.setting, task.seed or 0, error)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
