"""The run folders in a folder, and what each run is: whether it runs, how far it is, what it came to."""

import dataclasses
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

from vecac.errors import UsageError
from vecac.recording.rows import last_row
from vecac.runs.folder_lock import is_locked
from vecac.runs.run_folder import StopReason, read_config, read_result
from vecac.transition import WINDOW

State = Literal["running", StopReason, "dead", "damaged"]
"""Of a run: a result's stop_reason, or running; dead is neither, since its process was killed; damaged is a
folder that cannot be read."""

OF_CONFIG: dict[str, type] = {"env_id": str, "run_name": str, "seed": int}
OF_RESULT: dict[str, Any] = {
    "env_steps": int,
    "last_100_return_mean": int | float,
    "solved_at_env_steps": int,
    "eval_return_mean": int | float,
    "eval_return_std": int | float,
    "error": str,
}
"""What is taken from config.json and result.json, where everything but env_id may be missing or null."""


@dataclass(frozen=True)
class RunEntry:
    """A run in a list. What is not known, or not yet, is None.

    started: ISO 8601, local time, from the folder's name, else when the folder was last changed. The fields
    from env_steps on are those of result.json; of a run without one, env_steps and last_100_return_mean are
    those of its last log row. error: why it failed, or what is damaged.
    """

    run_dir: Path
    state: str
    started: str | None = None
    env_id: str | None = None
    run_name: str | None = None
    seed: int | None = None
    env_steps: int | None = None
    last_100_return_mean: float | None = None
    solved_at_env_steps: int | None = None
    eval_return_mean: float | None = None
    eval_return_std: float | None = None
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {**dataclasses.asdict(self), "run_dir": str(self.run_dir)}


def find_runs(folder: Path) -> list[Path]:
    """The folder itself if it is a run's; else the run folders in it, and in the folders in it, by name.

    Raises:
        UsageError: it cannot be read, or is no folder.
    """
    if _is_run(folder):
        return [folder]
    try:
        # Without what begins with a dot: runs that are just being made.
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UsageError(
            f"{folder} is no folder that can be read ({error.strerror}): name a run's, or one with runs in it"
        ) from error
    found = []
    for path in inside:
        if _is_run(path):
            found.append(path)
            continue
        with suppress(OSError):  # a file, or a folder of somebody else's
            found += sorted(deeper for deeper in path.iterdir() if _is_run(deeper))
    return found


def _is_run(path: Path) -> bool:
    """Whether vecac.train has made it, or as much of it as is left."""
    try:
        return any((path / name).is_file() for name in ("config.json", "checkpoints/latest.pt"))
    except OSError:  # it may not be looked into
        return False


def describe(run_dir: Path) -> RunEntry:
    """What the run in a folder is; what cannot be read makes it a damaged one."""
    known: dict[str, Any] = {"started": _started(run_dir)}
    try:
        is_running = is_locked(run_dir)  # first, as the end of a run writes its result, then unlocks
        known |= _checked(read_config(run_dir), OF_CONFIG, run_dir / "config.json")
        result = None if is_running else read_result(run_dir)
        if result is None:
            return RunEntry(run_dir, "running" if is_running else "dead", **known, **_so_far(run_dir))
        path, reason = run_dir / "result.json", result["stop_reason"]
        if reason not in get_args(StopReason):
            raise UsageError(f"{path} is damaged: its stop_reason is {reason!r}")
        return RunEntry(run_dir, reason, **known, **_checked(result, OF_RESULT, path))
    except UsageError as error:
        return RunEntry(run_dir, "damaged", **known, error=str(error))
    except OSError as error:
        return RunEntry(run_dir, "damaged", **known, error=f"it cannot be opened: {error.strerror}")


def _started(run_dir: Path) -> str | None:
    stamp = re.search(r"__(\d{8}-\d{6})(-\d+)?$", run_dir.name)
    with suppress(ValueError, OSError):
        when = (
            datetime.strptime(stamp[1], "%Y%m%d-%H%M%S")
            if stamp
            else datetime.fromtimestamp(run_dir.stat().st_mtime)
        )
        return when.isoformat(timespec="seconds")
    return None


def _so_far(run_dir: Path) -> dict[str, Any]:
    """By the last log row; nothing where there is none that can be read."""
    row: Mapping[str, float] = {}
    with suppress(OSError, ValueError):
        row = last_row(run_dir)
    so_far: dict[str, Any] = {}
    if "time/total_timesteps" in row:
        so_far["env_steps"] = int(row["time/total_timesteps"])
    if row.get("rollout/episodes", 0) >= WINDOW:
        so_far["last_100_return_mean"] = row.get("rollout/ep_rew_mean")
    return so_far


def _checked(content: Mapping[str, Any], kinds: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Those values of a JSON file, null where one is missing; UsageError if one is of another kind."""
    values = {name: content.get(name) for name in kinds}
    for name, value in values.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, kinds[name])):
            raise UsageError(f"{path} is damaged: its {name} is {value!r}")
    return values
