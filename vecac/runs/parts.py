"""What a checkpoint holds, by name and owner.

config: the settings. network, optimizer, env_steps, updates: of the engine, and enough to play the policy.
engine: whatever else the engine's next iteration depends on. run: a Part each of those who keep the record.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from vecac.engines.contracts import Engine

RUN_PARTS = ("statistics", "train_metrics", "solved", "best_mean", "clock", "log")
"""The parts of `run`."""


class Part(Protocol):
    """Whoever writes, checks and reads a part of `run`."""

    def state_dict(self) -> Any:
        """The part, as plain values."""

    def load_state_dict(self, state: Any) -> None:
        """Go on from a `state_dict`, as a checkpoint brings it back.

        Raises:
            ValueError: it is none, as may be TypeError and LookupError.
        """


def policy_content(settings: Mapping[str, Any], engine: Engine) -> dict[str, Any]:
    """A checkpoint to play; it shares the engine's memory."""
    return {
        "config": settings,
        "network": engine.network.state_dict(),
        "optimizer": engine.optimizer_state(),
        "env_steps": engine.env_steps,
        "updates": engine.updates,
    }


def run_content(
    settings: Mapping[str, Any], engine: Engine, parts: Mapping[str, Part] | None
) -> dict[str, Any]:
    """A checkpoint that the run can be gone on from; without parts, one that has not begun."""
    run = None if parts is None else {name: parts[name].state_dict() for name in RUN_PARTS}
    return {"config": settings, **engine.state_dict(), "run": run}


def load_parts(parts: Mapping[str, Part], run: Mapping[str, Any]) -> None:
    """Have every owner take its part of a checkpoint's `run`.

    Raises:
        ValueError: a part is missing, not known, or none; the message names it.
    """
    if not isinstance(run, Mapping) or set(run) != set(RUN_PARTS):
        raise ValueError(f"run has not the parts {', '.join(RUN_PARTS)}")
    for name in RUN_PARTS:
        try:
            parts[name].load_state_dict(run[name])
        except (ValueError, TypeError, LookupError) as error:
            raise ValueError(f"run.{name}: {error}") from error
