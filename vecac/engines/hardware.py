"""Which device and how many CPU threads a run uses, and why."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vecac.config_parts import RunSettings
from vecac.cores import usable_cores
from vecac.errors import UsageError


def resolve_device(requested: str) -> torch.device:
    """The device to learn on. `auto` is the CPU: no speed has been measured on a GPU so far.

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
    # Compared as text says it: torch keeps the number in eight bits, so cuda:256 would be cuda:0.
    index = int(requested.partition(":")[2] or 0)
    if index >= torch.cuda.device_count():
        raise UsageError(
            f"--device {requested} does not exist: there are {torch.cuda.device_count()} CUDA device(s) "
            "here; use --device cuda or cpu"
        )
    return torch.device(requested)


def idle_gpu(requested: str) -> str | None:
    """The name of a GPU that `auto` passes over, if there is one."""
    if requested == "auto" and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return None


def choose_threads(settings: RunSettings) -> int:
    """CPU threads for the network: as asked for, or one for torch, and all CPUs of this process for kernels.

    A second one gains torch next to nothing on blocks this small, and on a busy machine, where threads that
    wait for each other spin, it loses up to a factor of forty.
    """
    if settings.num_threads or settings.learner == "torch":
        return settings.num_threads or 1
    return usable_cores()


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Have torch use so many CPU threads, and afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
