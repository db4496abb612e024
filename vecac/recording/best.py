"""The parameters with the highest mean so far, of returns or of evaluations, in best.pt."""

import copy
import math
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vecac.errors import UsageError
from vecac.plain import require_number, to_tensors
from vecac.recording import checkpoint

OF_ONE_RUN = ("env_id", "seed", "num_envs", "n_rollout")
"""Settings by which a checkpoint of another run is told, as it is by the sizes of its network."""


class BestCheckpoint:
    """Keeps the content of best.pt until it can be written; a file of other settings is put aside.

    mean: the mean return that came with it; minus infinity before there is any.
    env_steps: when that was; None before there is any.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self._path, self._settings = path, settings
        self.mean = -math.inf
        self.env_steps: int | None = None
        self._unsaved: dict[str, Any] | None = None

    def state_dict(self) -> float:
        """The mean alone: all else is in best.pt."""
        return self.mean

    def load_state_dict(self, state: float) -> None:
        """Go on from a `state_dict`, beside the best.pt of that run."""
        mean = require_number(state)
        if not math.isfinite(mean):
            return
        saved = self.content()
        if saved is None:
            warnings.warn(f"{self._path} has gone: the best parameters are looked for anew", stacklevel=2)
        else:
            self.mean, self.env_steps = mean, saved["env_steps"]

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
            content = checkpoint.load(self._path)
            if _identity(content["config"]) != _identity(self._settings):
                raise UsageError(f"checkpoint {self._path} is of another run")
        except (UsageError, AttributeError) as error:
            aside = self._path.with_suffix(".damaged")
            with suppress(OSError):
                self._path.replace(aside)
            warnings.warn(f"{error}; it is now {aside.name}", stacklevel=2)
            return None
        return content

    def save(self) -> None:
        """Write best.pt if it has changed; after an OSError the next call tries again."""
        if self._unsaved is not None:
            checkpoint.save(self._path, self._unsaved)
            self._unsaved = None


def _identity(settings: Mapping[str, Any]) -> list[Any]:
    """What two checkpoints of one run have in common; those of format 1 have one hidden size."""
    sizes = settings.get("hidden_sizes", [settings.get("hidden_size")])
    return [settings.get(name) for name in OF_ONE_RUN] + list(sizes)
