"""Ctrl-C and SIGTERM as a request to stop, which the run honours when its state is whole."""

import multiprocessing
import os
import signal
import threading
from types import FrameType
from typing import Any

from vecac.shell.interactive import is_interactive
from vecac.signals import STOP_SIGNALS


class StopRequest:
    """While entered, SIGINT and SIGTERM set `signal_number`; a second one ends the process at once.

    At a Python prompt and in a notebook, where that would cost whatever else is there, a second SIGINT raises
    KeyboardInterrupt instead.

    Outside the main thread, where Python allows no handlers, nothing is installed.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def requested(self) -> bool:
        """Whether a signal has arrived."""
        return self.signal_number is not None

    def exit_code(self) -> int:
        """130 for SIGINT, 143 for SIGTERM. Deaf to both from here on, as the process is about to end, unless
        someone works in it."""
        if not is_interactive():
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
        return 128 + (self.signal_number or signal.SIGINT)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is not None:
            if number == signal.SIGINT and is_interactive():
                raise KeyboardInterrupt
            for child in multiprocessing.active_children():
                child.kill()
            os._exit(128 + number)
        self.signal_number = number
