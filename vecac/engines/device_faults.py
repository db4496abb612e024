"""What a GPU raises that fails, told in one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

_CLASSES = ("AcceleratorError", "OutOfMemoryError")
_TEXT = re.compile(r"CUDA (driver )?error")
"""What torch's other errors of this kind say: those of cuBLAS, and before torch 2.8 all of them."""


def device_error(error: BaseException) -> str | None:
    """What a GPU complains of, in one line without torch's advice on debugging; None if no GPU does."""
    # By name, since a command that only parses flags does without torch, whose older versions lack one.
    is_one = type(error).__name__ in _CLASSES or _TEXT.search(str(error)) is not None
    return str(error).partition("\n")[0] if isinstance(error, RuntimeError) and is_one else None


@contextmanager
def device_errors_as(kind: type[Exception], text: str) -> Iterator[None]:
    """Raise an error of this kind in place of a GPU's own, whose complaint goes where the text has {}."""
    try:
        yield
    except RuntimeError as error:
        complaint = device_error(error)
        if complaint is None:
            raise
        raise kind(text.format(complaint)) from error


@contextmanager
def noted(failures: list[str]) -> Iterator[None]:
    """Add what is raised to the failures, and go on: a GPU that has failed once may fail every later call."""
    try:
        yield
    except RuntimeError as error:
        failures.append(device_error(error) or f"{type(error).__name__}: {error}")
