"""Settings from files: those that come with vecac, one's own, and those of an earlier run."""

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from vecac.config_parts import LearningSettings, RolloutSettings
from vecac.errors import UsageError
from vecac.runs.run_folder import checked_settings, saved_settings
from vecac.spelling import nearest

SHIPPED = Path(__file__).parents[1] / "settings"
"""A file an environment, named by its id; the scores that were measured with it are in its comments."""


def read_settings(name: str) -> dict[str, Any]:
    """What a settings file says, by Config's fields.

    Args:
        name: of a TOML file whose keys are settings, of a run's folder or its config.json, or of an
            environment for which there is a file in SHIPPED.

    Raises:
        UsageError: there is no such file, or it holds something else.
    """
    path = shipped_for(name) or Path(name)
    if (path / "config.json").is_file():
        path /= "config.json"
    if path.name == "config.json":
        return _in_new_words({**saved_settings(path.parent), "quiet": False})
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = sorted(file.stem for file in SHIPPED.glob("*.toml"))
        meant = nearest(name, known)
        remedy = f"did you mean {meant}?" if meant else f"there are {', '.join(known)}, or name a file"
        raise UsageError(f"--settings {name} cannot be read ({error.strerror}): {remedy}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--settings {name} is no TOML file: {error}") from error
    return _in_new_words(checked_settings(settings, f"--settings {name}"))


def _in_new_words(settings: dict[str, Any]) -> dict[str, Any]:
    """With --lr-schedule for --anneal-lr, so that one typed beside the file counts."""
    if settings.get("anneal_lr"):
        settings |= {"anneal_lr": False, "lr_schedule": "linear"}
    return settings


def shipped_for(env_id: str) -> Path | None:
    """The file in SHIPPED for an environment, if there is one."""
    return next((file for file in SHIPPED.glob("*.toml") if file.stem == env_id), None)


def hint_at_shipped(env_id: str, settings: LearningSettings) -> str | None:
    """A line for whoever learns by the defaults in an environment that has a file; None for others."""
    path = shipped_for(env_id)
    own = {field.name for field in fields(RolloutSettings)} | {"total_timesteps"}
    chosen = [field for field in fields(LearningSettings) if field.name not in own]
    if path is None or any(getattr(settings, field.name) != field.default for field in chosen):
        return None
    return f"--settings {path.stem} has settings that were tried for this environment"
