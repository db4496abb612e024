"""The parameters with the highest mean return so far, in best.pt."""

import copy
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vecac.errors import UsageError
from vecac.plain import require_number, to_tensors
from vecac.recording import checkpoint


class BestCheckpoint:
    """Keeps the content of best.pt until it can be written.

    mean: the mean return that came with it; minus infinity before there is any.
    env_steps: when that was; None before there is any.

    Args:
        path: of best.pt.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.mean = -math.inf
        self.env_steps: int | None = None
        self._unsaved: dict[str, Any] | None = None

    def state_dict(self) -> float:
        """The mean alone: all else is in best.pt."""
        return self.mean

    def load_state_dict(self, state: float) -> None:
        """Go on from a `state_dict`, beside the best.pt of that run."""
        self.mean = require_number(state)
        saved = self.content() if math.isfinite(self.mean) else None
        self.env_steps = None if saved is None else saved["env_steps"]

    def offer(self, mean: float | None, content: Callable[[], dict[str, Any]]) -> None:
        """Keep what content() gives if the mean is the highest so far; None is no mean."""
        if mean is not None and mean > self.mean:
            # A copy in the host's memory, which outlasts a GPU that fails before it is written.
            self._unsaved = unsaved = copy.deepcopy(to_tensors(content()))
            self.mean, self.env_steps = mean, unsaved["env_steps"]

    def content(self) -> dict[str, Any] | None:
        """What best.pt holds, whether it has been written yet or not; None if there is nothing."""
        if self._unsaved is not None or not self._path.exists():
            return self._unsaved
        try:
            return checkpoint.load(self._path)
        except UsageError as error:
            warnings.warn(str(error), stacklevel=2)
            return None

    def save(self) -> None:
        """Write best.pt if it has changed.

        Raises:
            OSError: it could not be written; the next call tries again.
        """
        if self._unsaved is not None:
            checkpoint.save(self._path, self._unsaved)
            self._unsaved = None
