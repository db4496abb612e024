"""Wrappers that a run puts around each copy of its environment, by name."""

import importlib
from collections.abc import Sequence
from typing import Any

import gymnasium as gym

from vecac.errors import UsageError
from vecac.keywords import parse_keywords


def wrapped(env: gym.Env[Any, Any], wrappers: Sequence[str]) -> gym.Env[Any, Any]:
    """The environment in wrappers, written module:Wrapper or module:Wrapper,name=value; the first inside.

    Raises:
        UsageError: one cannot be found, or cannot be put around the environment.
    """
    for written in wrappers:
        kind, keywords = _find(written)
        try:
            env = kind(env, **keywords)
        except (Exception, SystemExit) as error:  # whatever the wrapper's own constructor raises
            raise UsageError(
                f"--wrapper {written} cannot be put around: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(env, gym.Env):
            raise UsageError(f"--wrapper {written} makes no environment, but {type(env).__name__}")
    return env


def _find(written: str) -> tuple[Any, dict[str, Any]]:
    place, _, arguments = written.partition(",")
    module, colon, name = place.partition(":")
    try:
        if not colon or not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
            raise ValueError("write module:Wrapper or module:Wrapper,name=value")
        keywords = parse_keywords(arguments)
    except ValueError as error:
        raise UsageError(f"--wrapper {written}: {error}") from error
    try:
        kind = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # whatever the user's own module does
        raise UsageError(
            f"--wrapper {written}: {place} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not callable(kind):
        raise UsageError(f"--wrapper {written}: {place} is no wrapper")
    return kind, keywords
