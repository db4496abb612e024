"""What a run prints: a progress bar on a terminal or in a notebook, else plain lines; nothing when quiet."""

import math
import os
import shutil
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from tqdm import tqdm

from vecac.shell.interactive import in_notebook

LINE_SECONDS = 5.0
"""Time between two progress lines where no bar can be drawn."""

REDRAW_SECONDS = 0.1, 0.5
"""Time between two bars, at least, on a terminal and in a notebook, which may keep what it is sent."""

NOTEBOOK_COLUMNS = 80
"""Of a bar of text there."""

PATIENCE_SECONDS = 1.0
"""How long to wait for something without a word."""

LAYOUTS = (
    (80, "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}]"),
    (60, "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]"),
    (40, "{desc} {percentage:3.0f}%|{bar}| {remaining} left"),
    (0, "{desc} {percentage:3.0f}%"),
)
"""tqdm's bar on a terminal of so many columns or more: the mean return first, so that it is never cut off."""


class Console:
    """Prints lines and the progress of a run of `total` env steps; when quiet, nothing but warnings."""

    def __init__(self, total: int, quiet: bool) -> None:
        self._total, self._quiet, self._in_notebook = total, quiet, in_notebook()
        self._bar: tqdm[Any] | None = None
        self._printed_at = time.monotonic()

    def line(self, text: str) -> None:
        """Print a line of its own; always on its way at once, since others read along."""
        if self._quiet:
            return
        self._printed_at = time.monotonic()
        try:
            print(text, flush=True)
        except OSError:
            # Whoever read along has left, or the output's disk is full, which must not end the run, nor
            # fail it at the very end, when Python flushes what it could not print.
            self._quiet = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def warning(self, text: str) -> None:
        """Print a line on standard error, below the progress bar and also when quiet."""
        self.close()
        with suppress(OSError):  # nobody can be told, then
            print(f"warning: {text}", file=sys.stderr, flush=True)

    @contextmanager
    def waiting(self, reason: str) -> Iterator[None]:
        """Say what is being waited for if it takes more than PATIENCE_SECONDS, and then how long it took."""
        start = time.monotonic()
        timer = threading.Timer(PATIENCE_SECONDS, self.line, [f"{reason} ..."])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
        if time.monotonic() - start > PATIENCE_SECONDS:
            self.line(f"... took {time.monotonic() - start:.0f} s")

    def progress(self, env_steps: int, env_steps_per_s: float, mean_return: float) -> None:
        """Show how far the run is."""
        text = "no episode yet" if math.isnan(mean_return) else f"mean return {mean_return:.1f}"
        left = (self._total - env_steps) / env_steps_per_s if env_steps else math.inf
        line = (
            f"{env_steps:,} of {self._total:,} env steps, {env_steps_per_s:,.0f} a second, {text}, "
            f"{max(0.0, left):.0f} s left"
        )
        self._show(line, text, env_steps, self._total, " steps")

    def study(
        self,
        runs: int,
        wanted: int,
        env_steps_per_s: float,
        left: float | None,
        leader: tuple[int, str] | None,
    ) -> None:
        """Show how far a study is.

        left: seconds that it may still take, if that is known. leader: the number of the setting that leads,
        and its flags, which a bar has no room for; None if there is nothing to lead.
        """
        text = f"{env_steps_per_s / 1e6:.1f} M" if env_steps_per_s >= 1e6 else f"{env_steps_per_s:,.0f}"
        text += " env steps/s" + (f", leading: {leader[0]}" if leader else "")
        rest = "" if left is None else f", {left:.0f} s left"
        named = f", leading: {leader[1]}" if leader else ""
        line = f"{runs:,} of {wanted:,} runs, {env_steps_per_s:,.0f} env steps a second{rest}{named}"
        self._show(line, text, runs, wanted, " runs")

    def evaluation(self, what: str, episodes: int, total: int, steps: int) -> None:
        """Show how far an evaluation is."""
        text = f"evaluating ({what})"
        line = f"{text}: {episodes} of {total} episodes, {steps:,} steps"
        self._show(line, text, episodes, total, " episodes")

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.total = self._bar.n  # tqdm leaves a bar in a notebook that has not come to its total
            self._bar.close()
            self._bar = None

    def _show(self, line: str, text: str, done: int, total: int, unit: str) -> None:
        """Redraw the bar with the text; where there can be none, print the line every few seconds."""
        if self._quiet:
            return
        if not (sys.stdout.isatty() or self._in_notebook):
            if time.monotonic() - self._printed_at >= LINE_SECONDS:
                self.line(line)
            return
        if self._bar is not None and self._bar.unit != unit:
            self.close()
        # A terminal may say it has no columns, and tqdm would show none: this says 80 then.
        # A notebook's kernel tells the columns of the terminal that it was started from.
        width = NOTEBOOK_COLUMNS if self._in_notebook else shutil.get_terminal_size().columns
        layout = next(layout for least, layout in LAYOUTS if width >= least)
        if self._bar is None:
            self._bar = self._new_bar(text, total, unit, layout, width)
        bar = self._bar
        bar.ncols, bar.bar_format = width, layout
        bar.set_description_str(text, refresh=False)
        bar.update(min(done, total) - bar.n)  # beyond its total, tqdm shows no bar

    def _new_bar(self, text: str, total: int, unit: str, layout: str, width: int) -> "tqdm[Any]":
        """tqdm's bar for a terminal; in a notebook its widget there, or text where ipywidgets is missing."""
        make: type[tqdm[Any]] = tqdm
        if self._in_notebook:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that its choice is an experiment, or ipywidgets is missing
                from tqdm.autonotebook import tqdm as make  # here, as it looks for ipywidgets
        return make(
            total=total,
            unit=unit,
            unit_scale=True,
            file=sys.stdout,
            mininterval=REDRAW_SECONDS[self._in_notebook],
            ncols=None if self._in_notebook else width,  # a widget takes them for pixels
            bar_format=layout,
            desc=text,
            leave=False,  # what the run prints next says more than half a bar
        )
