"""Gymnasium's autoreset modes: when an environment whose episode has ended is reset."""

from typing import Any

from gymnasium.vector import AutoresetMode, VectorEnv

from vecac.errors import UsageError

AUTORESET_MODES = {
    "next-step": AutoresetMode.NEXT_STEP,
    "same-step": AutoresetMode.SAME_STEP,
    "disabled": AutoresetMode.DISABLED,
}


def require_mode(env_id: str, wanted: str, envs: VectorEnv[Any, Any, Any]) -> None:
    """Refuse a vector environment that does not reset in the wanted mode.

    Raises:
        UsageError: it has another mode, or does not tell.
    """
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
