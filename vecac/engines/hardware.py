"""Which device and how many CPU threads a run uses, and why."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vecac.config import Config
from vecac.errors import UsageError

ROWS_FOR_THREADS = 4096
"""Rows of a rollout from which a second CPU thread pays: below, waking it costs more than it does."""


def resolve_device(requested: str) -> torch.device:
    """The device to learn on. `auto` is the CPU, which is faster for this network at these sizes.

    CUDA that is asked for but missing warns once and falls back to the CPU.

    Raises:
        UsageError: cuda:N names a GPU that this machine does not have.
    """
    if not requested.startswith("cuda"):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        why = "this build of torch has no CUDA" if torch.version.cuda is None else "torch finds no usable GPU"
        warnings.warn(f"--device {requested}: {why}; training on the CPU instead", stacklevel=2)
        return torch.device("cpu")
    device = torch.device(requested)
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise UsageError(
            f"--device {requested} does not exist: there are {torch.cuda.device_count()} CUDA device(s) here"
        )
    return device


@contextmanager
def cpu_threads(config: Config) -> Iterator[int]:
    """Have torch use the run's number of CPU threads, and afterwards as many as before."""
    before = torch.get_num_threads()
    num_threads = choose_num_threads(config)
    torch.set_num_threads(num_threads)
    try:
        yield num_threads
    finally:
        torch.set_num_threads(before)


def choose_num_threads(config: Config) -> int:
    """config.num_threads, or by the rollout's size: one thread for small ones, else every core."""
    if config.num_threads:
        return config.num_threads
    rows = config.n_rollout * config.num_envs
    return 1 if rows < ROWS_FOR_THREADS else available_cores()


def available_cores() -> int:
    """Cores that this process may run on, which a container may restrict."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
