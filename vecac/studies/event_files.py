"""A study on TensorBoard's page: a run for each setting, with its learning curve and what it came to.

Its HParams page has a row for each setting, when TensorBoard is shown the study's folder: of everything in
the folder that it is shown, it takes columns from the first run alone.

Shapes: G points of a curve.
"""

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vecac.recording import events
from vecac.recording.files import write_atomically
from vecac.studies.curves import learning_curve
from vecac.studies.findings import Runs
from vecac.studies.folder import StudyFolder

MOST_SETTINGS = 200
"""Runs that TensorBoard's page is still of use with."""

METRICS = {
    "summary/solved_share": ("solved_share", "value"),
    "summary/env_steps_to_solve_median": ("env_steps_to_solve", "50%", "value"),
    "summary/final_return_iqm": ("final_return", "value"),
    "summary/final_return_worst_5_percent": ("final_return_worst_5_percent",),
    "summary/area_under_curve": ("area_under_curve", "value"),
}
"""TensorBoard's tags, and where summary.json has the numbers of a setting."""


def write_events(study: StudyFolder, runs: dict[int, Runs], summary: Mapping[str, Any]) -> None:
    """Write settings/{number}/ with one event file for each setting, in place of all that were there.

    Of more than MOST_SETTINGS, only those of highest rank have one.

    Raises:
        OSError: not all could be written; each file that is there is whole.
    """
    design, folder = study.design, study.path / "settings"
    outdated = list(folder.glob("*/events.out.tfevents.*"))
    entries = {entry["setting"]: entry for entry in summary["settings"]}
    for setting in summary["ranking"][:MOST_SETTINGS]:
        total = design.config(setting, design.base.seed).total_timesteps
        path = folder / str(setting) / events.file_name()
        path.parent.mkdir(parents=True, exist_ok=True)
        values = design.settings[setting - 1]
        write_atomically(path, b"".join(_records(values, runs[setting], total, entries[setting])))
    for path in outdated:
        path.unlink()
    _remove_empty(folder)


def _records(values: Mapping[str, Any], runs: Runs, total: int, entry: Mapping[str, Any]) -> Iterator[bytes]:
    now = time.time()
    yield events.header()
    yield events.settings(values, dict.fromkeys(METRICS, 0.0))
    curve = learning_curve(runs, total)
    tags = [f"study/return_{name}" for name in ("iqm", "iqm_low", "iqm_high", "worst_decile")]
    for env_steps, *numbers in zip(*curve, strict=True):
        yield from _row(dict(zip(tags, numbers, strict=True)), env_steps, now)
    yield from _row({tag: _number(entry, *keys) for tag, keys in METRICS.items()}, total, now)


def _row(numbers: Mapping[str, float], env_steps: float, wall_time: float) -> Iterator[bytes]:
    known = {tag: float(number) for tag, number in numbers.items() if math.isfinite(number)}
    if known:
        yield events.scalars(known, round(env_steps), wall_time)


def _number(entry: Mapping[str, Any], *keys: str) -> float:
    """What lies under keys in keys; NaN for None."""
    value: Any = entry
    for key in keys:
        value = value[key]
    return math.nan if value is None else value


def _remove_empty(folder: Path) -> None:
    for setting in folder.iterdir():
        if setting.is_dir() and not any(setting.iterdir()):
            setting.rmdir()
