"""Checkpoints that stay: one in so many env steps, called by the env steps that it was taken at."""

from pathlib import Path
from typing import Any

from vecac.plain import require_count
from vecac.recording import checkpoint
from vecac.recording.files import write_atomically

MOST_UNSAVED = 100
"""Checkpoints that wait in memory while they cannot be written; the oldest are given up."""


class KeptCheckpoints:
    """Keeps the first state at or behind each multiple of so many env steps.

    Args:
        folder: of the run's checkpoints.
        every: env steps; 0 to keep none.
        most: how many stay, the newest; None for all.
    """

    def __init__(self, folder: Path, every: int, most: int | None) -> None:
        self._folder, self._every, self._most = folder, every, most
        self._env_steps = 0
        self._resumed_at: int | None = None
        self._unsaved: dict[int, bytes] = {}

    def state_dict(self) -> int:
        """The env steps of the newest; 0 before there is one."""
        return self._env_steps

    def load_state_dict(self, state: int) -> None:
        """Go on from a `state_dict`; the next `save` takes away what an earlier process kept later."""
        self._env_steps = self._resumed_at = require_count(state)

    def next_at(self) -> int | None:
        """The env steps at which one is due; None if none ever is."""
        return (self._env_steps // self._every + 1) * self._every if self._every else None

    def add(self, env_steps: int, content: dict[str, Any]) -> None:
        """Keep this content, as it is now, of a run that has come to env_steps."""
        self._unsaved[env_steps] = checkpoint.encode(content)
        for oldest in list(self._unsaved)[: -min(MOST_UNSAVED, self._most or MOST_UNSAVED)]:
            del self._unsaved[oldest]
        self._env_steps = env_steps

    def save(self) -> None:
        """Write those that wait, and take away what is too old; after an OSError the next call goes on."""
        if self._resumed_at is not None:
            self._cut_off(self._resumed_at)
        if not self._unsaved:
            return
        for env_steps, data in list(self._unsaved.items()):
            write_atomically(self._folder / f"{env_steps}.pt", data)
            del self._unsaved[env_steps]
        for env_steps in kept_checkpoints(self._folder)[: -self._most] if self._most else ():
            (self._folder / f"{env_steps}.pt").unlink()

    def _cut_off(self, resumed_at: int) -> None:
        """Take away what is later than that: those env steps are trained anew."""
        for env_steps in kept_checkpoints(self._folder) if self._every else ():
            if env_steps > resumed_at:
                (self._folder / f"{env_steps}.pt").unlink()
        self._resumed_at = None


def kept_checkpoints(folder: Path) -> list[int]:
    """The env steps of those in a folder of checkpoints that are called by them, in order."""
    stems = (path.stem for path in folder.glob("*.pt"))
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())
