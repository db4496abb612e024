"""What Gymnasium's registry, and an environment's spaces and metadata, say before anything is run."""

import importlib
import re
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode, VectorEnv

from vecac.errors import UsageError
from vecac.spelling import nearest

AUTORESET_MODES = {
    "next-step": AutoresetMode.NEXT_STEP,
    "same-step": AutoresetMode.SAME_STEP,
    "disabled": AutoresetMode.DISABLED,
}


def find_spec(env_id: str) -> Any:
    """The registry's entry of `Id-v0` or `module:Id-v0`, whose module is imported first.

    Raises:
        UsageError: there is no such module or environment.
    """
    module, colon, name = env_id.rpartition(":")
    if colon and not all(part.isidentifier() for part in module.split(".")):
        raise UsageError(f"--env-id {env_id}: {module!r} is no module's name; write package.module:Id-v0")
    try:
        if module:
            importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever the user's own module does
        raise UsageError(
            f"--env-id {env_id}: the module {module} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    try:
        return gym.spec(name)
    except gym.error.Error as error:
        meant = _nearest_id(name)
        remedy = "name module:Id-v0 with the module that registers it"
        if meant is not None:
            remedy = f"did you mean {module}{colon}{meant}?"
        raise UsageError(f"--env-id {env_id} is not registered: {remedy}") from error


def missing_form(engine: str, spec: Any) -> str | None:
    """What an environment lacks that the Gymnasium engine steps; None if it lacks nothing."""
    if engine == "vector":
        return f"{spec.id} has no vector form of its own" if spec.vector_entry_point is None else None
    return f"{spec.id} only has a vector form" if spec.entry_point is None else None


def _nearest_id(typed: str) -> str | None:
    """The registered id whose name is spelled most alike, in its newest version; None if none is near."""
    newest_last = sorted(gym.registry.values(), key=lambda spec: spec.version or 0)
    ids = {_name(spec.id): spec.id for spec in newest_last}
    meant = nearest(_name(typed), ids)
    return None if meant is None else ids[meant]


def _name(env_id: str) -> str:
    """Without the version and case, which are mistaken most often."""
    return re.sub(r"-v\d*\s*$", "", env_id).lower()


def require_mode(env_id: str, wanted: str, envs: VectorEnv[Any, Any, Any]) -> None:
    """Refuse, with a UsageError, a vector environment of another autoreset mode, or that does not tell."""
    mode = envs.metadata.get("autoreset_mode")
    names = {known: name for name, known in AUTORESET_MODES.items()}
    if not isinstance(mode, AutoresetMode) or mode not in names:
        raise UsageError(
            f"--env-id {env_id} does not say how its vector form resets (its metadata has the "
            f"autoreset_mode {mode!r}): use --engine sync"
        )
    if names[mode] != wanted:
        raise UsageError(
            f"--autoreset-mode {wanted} is not what the vector form of {env_id} "
            f"does: use --autoreset-mode {names[mode]}, or --engine sync"
        )
