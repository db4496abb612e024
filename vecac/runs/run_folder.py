"""The folder a run leaves: its name, config.json and result.json."""

import dataclasses
import errno
import html
import json
import math
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from vecac.config import ALIASES, Config, fields_meant
from vecac.errors import UsageError
from vecac.recording.files import write_atomically
from vecac.version import __version__

StopReason = Literal["finished", "target_reached", "stopped", "interrupted", "failed"]
"""Why a run is over."""

PACKAGES = ("torch", "gymnasium", "numpy", "tensorboard", "numba")


@dataclass(frozen=True)
class Result:
    """How a run ended; result.json holds every field but run_dir.

    Times count from the first env step, without start-up and evaluation. Evaluation fields are None
    where none ran, or where there is no best.pt; eval_cut_episodes counts those of all evaluations. solved_at
    is the first update after which the mean return of exactly the last 100 episodes reached the
    environment's reward_threshold; best is when that mean was highest,
    or that of an evaluation with eval_interval, as best.pt has it.
    """

    run_dir: Path
    env_id: str
    env_steps: int
    updates: int
    episodes: int
    seconds: float
    env_steps_per_s: float
    last_100_return_mean: float | None
    solved_at_env_steps: int | None
    solved_at_seconds: float | None
    best_env_steps: int | None
    best_return_mean: float | None
    eval_return_mean: float | None
    eval_return_std: float | None
    eval_sampled_return_mean: float | None
    eval_sampled_return_std: float | None
    eval_best_return_mean: float | None
    eval_best_return_std: float | None
    eval_best_sampled_return_mean: float | None
    eval_best_sampled_return_std: float | None
    eval_episodes: int | None
    eval_cut_episodes: int | None
    stop_reason: str
    error: str | None
    engine: str
    learner: str
    device: str
    device_requested: str
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """The content of result.json."""
        fields = dataclasses.asdict(self)
        del fields["run_dir"]
        return fields

    def _repr_html_(self) -> str:
        """What a notebook shows: a row for each field that is not None."""
        rows = [(name, value) for name, value in vars(self).items() if value is not None]
        texts = [(name, f"{value:.6g}" if isinstance(value, float) else str(value)) for name, value in rows]
        cells = [f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name, text in texts]
        return f"<table>{''.join(cells)}</table>"


def require_log_dir(config: Config) -> None:
    """Refuse, with a UsageError, a log folder that is a file or write-protected, before anything slow."""
    path = Path(config.log_dir)
    existing = next(folder for folder in (path, *path.parents) if os.path.lexists(folder))
    if not existing.is_dir():
        raise _unusable(config.log_dir, errno.ENOTDIR)
    if not os.access(existing, os.W_OK | os.X_OK):
        raise _unusable(config.log_dir, errno.EACCES)


def create_run_folder(config: Config, fill: Callable[[Path], None]) -> Path:
    """Make {log_dir}/{env_id}__{run_name}__{seed}__{time}/, with a suffix if that name is taken.

    It appears with all that `fill` puts into it, at once: a run folder without a checkpoint is never seen.

    Raises:
        UsageError: the log folder cannot be written to.
    """

    def fill_run(folder: Path) -> None:
        (folder / "checkpoints").mkdir()
        fill(folder)

    return create_folder(config.log_dir, (config.env_id, config.run_name, str(config.seed)), fill_run)


def create_folder(log_dir: str, names: Sequence[str], fill: Callable[[Path], None]) -> Path:
    """Make {log_dir}/{names}__{time}/ as `create_run_folder` does, of which it is the general form."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    path = Path(log_dir) / re.sub(r"[^A-Za-z0-9._-]", "-", "__".join((*names, stamp)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".new-", dir=path.parent) as temporary:
            folder = Path(temporary) / "run"
            folder.mkdir()
            fill(folder)
            return _rename(folder, path)
    except OSError as error:
        raise _unusable(log_dir, error.errno) from error


def _rename(folder: Path, wanted: Path) -> Path:
    """Give the folder the wanted name, or that with the first suffix which nobody has; returns the path."""
    path, attempt = wanted, 1
    while True:
        try:
            return folder.rename(path)
        except OSError:
            if not os.path.lexists(path):
                raise
            attempt += 1
            path = wanted.with_name(f"{wanted.name}-{attempt}")


def describe_run(config: Config, device: str) -> dict[str, Any]:
    """The content of config.json: every setting, the device in use, and what the run was made with."""
    return {
        **config.to_dict(),
        "device": device,
        "device_requested": config.device,
        **describe_maker(),
    }


def describe_maker() -> dict[str, Any]:
    """What a folder is made with: versions, commit and command line."""
    return {
        "versions": {"vecac": __version__, "python": platform.python_version()}
        | {package: version(package) for package in PACKAGES},
        "git_commit": git_commit(),
        "command_line": sys.argv,
    }


def git_commit() -> str | None:
    """The commit of vecac's own checkout, with "-dirty" if it is changed; None outside a checkout."""
    checkout = Path(__file__).parents[2]
    if not (checkout / ".git").exists():  # installed, maybe inside somebody else's checkout
        return None
    # Tags are left out: the newest one is no commit.
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file, whole or not at all; a value that is NaN or infinite becomes null."""
    plain = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in content.items()
    }
    write_atomically(path, (json.dumps(plain, indent=2, allow_nan=False) + "\n").encode())


def read_config(run_dir: Path) -> dict[str, Any]:
    """The content of a run folder's config.json; UsageError if it is missing, no JSON or no settings."""
    path = run_dir / "config.json"
    try:
        return _read_object(path, "env_id", "a run's settings")
    except OSError as error:
        raise UsageError(
            f"{run_dir} is not a run folder ({path} cannot be read: {error.strerror}): "
            "name one that vecac.train printed"
        ) from error


def read_result(run_dir: Path) -> dict[str, Any] | None:
    """The content of a run folder's result.json; None if the run has not ended, or goes on again.

    Raises:
        UsageError: it cannot be read, is no JSON or no result.
    """
    path = run_dir / "result.json"
    try:
        return _read_object(path, "stop_reason", "a run's result")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _read_object(path: Path, key: str, what: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(content, indent=2, allow_nan=False)  # Python reads NaN, Infinity and 1e999, JSON has none
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is damaged: it is not JSON") from error
    if not isinstance(content, dict) or key not in content:
        raise UsageError(f"{path} is damaged: it does not hold {what}")
    return content


def saved_settings(run_dir: Path) -> dict[str, Any]:
    """The settings in a run folder's config.json, by Config's fields; UsageError as `read_config`."""
    content = read_config(run_dir)
    if "device_requested" in content:
        content["device"] = content["device_requested"]
    names = {*Config.__dataclass_fields__, *ALIASES}
    known = {name: content[name] for name in names if name in content}
    return checked_settings(known, f"{run_dir / 'config.json'} is damaged")


def checked_settings(settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The settings by Config's fields, which it takes; else the UsageError says where they are."""
    try:
        meant = fields_meant(settings)
        Config(**meant)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    return meant


def _unusable(log_dir: str, error_number: int | None) -> UsageError:
    reason = os.strerror(error_number or 0)
    return UsageError(f"--log-dir {log_dir} cannot be written to: {reason}; name a folder that can")
