"""What a run writes while it trains: log rows and checkpoints, or tries to until it can."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vecac.recording import checkpoint
from vecac.recording.best import BestCheckpoint
from vecac.recording.files import write_atomically
from vecac.recording.kept import KeptCheckpoints
from vecac.recording.metrics import MetricsLog
from vecac.runs.run_folder import Result, write_json


class Writer:
    """Writes rows, checkpoints and the result of a run; what cannot be written is told, and tried again.

    The user is told once when that begins, and once when it works again. A checkpoint brings the rows
    before it on disk first, so that it can be gone on from.

    log, best, kept: the rows, the best parameters so far, and checkpoints that stay.
    """

    def __init__(self, run_dir: Path, settings: Mapping[str, Any], warn: Callable[[str], None]) -> None:
        self._run_dir, self._checkpoints, self._warn = run_dir, run_dir / "checkpoints", warn
        self.log = MetricsLog(run_dir, settings)
        self.best = BestCheckpoint(self._checkpoints / "best.pt", settings)
        every, most = settings.get("checkpoint_every", 0), settings.get("keep_checkpoints")
        self.kept = KeptCheckpoints(self._checkpoints, every, most)
        self._unsaved_last: bytes | None = None
        self._failure: str | None = None

    def flush(self) -> None:
        """Write whatever is not on disk yet."""
        self._attempt(self._save_pending)

    def save_last(self, content: dict[str, Any]) -> None:
        """Have latest.pt hold this content, as it is now, and the rows that lead to it."""
        self._unsaved_last = checkpoint.encode(content)
        self.flush()

    def save_offender(self, content: dict[str, Any]) -> None:
        """Write offending_rollout.pt."""
        path = self._checkpoints / "offending_rollout.pt"
        self._attempt(lambda: checkpoint.save(path, content))

    def finish(self, result: Result) -> Result:
        """Write result.json and whatever is not on disk yet; a run of which not all can be has failed."""
        self._attempt(partial(self._save_all, result))
        if self._failure is not None and result.error is None:
            error = f"the last state could not be saved in {self._run_dir}: {self._failure}"
            result = replace(result, stop_reason="failed", error=error)
            with suppress(OSError):
                self._write_result(result)
        return result

    def _attempt(self, write: Callable[[], None]) -> None:
        """Call `write`; whether the system refused it, `_failure` says."""
        try:
            write()
        except OSError as error:
            if self._failure is None:
                refused = f"{self._run_dir} cannot be written to: {error.strerror}"
                self._warn(f"{refused}; training goes on, and saving is tried again")
            self._failure = error.strerror or str(error)
            return
        if self._failure is not None:
            self._warn(f"{self._run_dir} can be written to again")
            self._failure = None

    def _save_all(self, result: Result) -> None:
        try:
            self._save_pending()
        finally:
            self._write_result(result)

    def _write_result(self, result: Result) -> None:
        write_json(self._run_dir / "result.json", result.to_dict())

    def _save_pending(self) -> None:
        """Write whatever is not on disk yet: rows, then the best and the kept, then the last state."""
        self.log.flush(durably=self._unsaved_last is not None)
        self.best.save()
        self.kept.save()
        if self._unsaved_last is not None:
            write_atomically(self._checkpoints / "latest.pt", self._unsaved_last)
            self._unsaved_last = None
