"""What somebody may have meant who typed a name that there is not."""

import difflib
from collections.abc import Collection

SYNONYMS = {
    "env_name": "env_id",
    "environment": "env_id",
    "n_steps": "n_rollout",
    "num_steps": "n_rollout",
    "steps": "total_timesteps",
    "lr": "learning_rate",
    "cuda": "device",
    "gpu": "device",
    "tensorboard_log": "log_dir",
    "verbose": "quiet",
}
"""Settings as other trainers call them, where the spelling is too far from ours to be recognised."""


def nearest(typed: str, names: Collection[str]) -> str | None:
    """The one of the names that was meant: by a synonym, else by its spelling; None if none is near."""
    typed = typed.lower()
    synonym = SYNONYMS.get(typed)
    if synonym in names:
        return synonym
    return next(iter(difflib.get_close_matches(typed, names, n=1)), None)
