"""What a run writes while it trains: log rows and checkpoints, or tries to until it can."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from vecac.recording import checkpoint
from vecac.recording.atomic import write_atomically
from vecac.recording.best import BestCheckpoint
from vecac.recording.metrics import MetricsLog
from vecac.recording.saver import Saver
from vecac.runs.run_folder import Result, write_json


class Writer:
    """Writes rows, checkpoints and the result of a run; whatever cannot be written stays in memory.

    A checkpoint brings the rows before it on disk first, so that it can be gone on from.

    log, best: the rows, and the best parameters so far.

    Args:
        run_dir: the run's folder.
        settings: the config, which the event file shows too.
        warn: tells the user what cannot be written.
    """

    def __init__(self, run_dir: Path, settings: Mapping[str, Any], warn: Callable[[str], None]) -> None:
        self._run_dir, self._checkpoints = run_dir, run_dir / "checkpoints"
        self.log = MetricsLog(run_dir, settings)
        self.best = BestCheckpoint(self._checkpoints / "best.pt", settings)
        self._saver = Saver(warn, str(run_dir))
        self._unsaved_last: bytes | None = None

    def flush_if_due(self) -> None:
        """Write the rows of the last second or so."""
        if self.log.is_flush_due():
            self.flush()

    def flush(self) -> None:
        """Write whatever is not on disk yet, or warn."""
        self._saver.attempt(self._save_pending)

    def save_last(self, content: dict[str, Any]) -> None:
        """Have latest.pt hold this content, as it is now, and the rows that lead to it."""
        self._unsaved_last = checkpoint.encode(content)
        self.flush()

    def save_offender(self, content: dict[str, Any]) -> None:
        """Write offending_rollout.pt."""
        path = self._checkpoints / "offending_rollout.pt"
        self._saver.attempt(lambda: checkpoint.save(path, content))

    def finish(self, result: Result) -> str | None:
        """Write result.json and whatever is not on disk yet; why that could not be done, if so."""
        if self._saver.attempt(partial(self._save_all, result)):
            return None
        return f"the last state could not be saved in {self._run_dir}: {self._saver.failure}"

    def correct(self, result: Result) -> None:
        """Replace result.json, if that can be written at least."""
        with suppress(OSError):
            write_json(self._run_dir / "result.json", result.to_dict())

    def _save_all(self, result: Result) -> None:
        """Write whatever is not on disk yet, and result.json whether the rest can be written or not."""
        try:
            self._save_pending()
        finally:
            write_json(self._run_dir / "result.json", result.to_dict())

    def _save_pending(self) -> None:
        """Write whatever is not on disk yet: rows, then the best parameters, then the last state."""
        self.log.flush(durably=self._unsaved_last is not None)
        self.best.save()
        if self._unsaved_last is not None:
            write_atomically(self._checkpoints / "latest.pt", self._unsaved_last)
            self._unsaved_last = None
