"""Run folders that no run has left: their numbers are written by hand."""

import csv
import json

from vecac.config import Config
from vecac.recording.meanings import METRICS
from vecac.runs.run_folder import Result

SHORT = {
    "x": "time/total_timesteps",
    "s": "time/time_elapsed",
    "y": "rollout/ep_rew_mean",
    "n": "rollout/episodes",
    "e": "eval/mean_reward",
}
"""Metrics by a letter."""


def make_run(logs, name, rows=(), result=None, **settings):
    """A run's folder: rows of metrics by SHORT, fields of result.json if it has ended, and settings."""
    folder = logs / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(Config(**settings).to_dict()))
    with open(folder / "progress.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, METRICS)
        writer.writeheader()
        writer.writerows({SHORT[letter]: number for letter, number in row.items()} for row in rows)
    if result is not None:
        fields = dict.fromkeys(Result.__dataclass_fields__, None) | {"stop_reason": "finished"} | result
        (folder / "result.json").write_text(json.dumps(fields))
    return folder


def climb(*points, x="x", y="y"):
    """Rows from pairs."""
    return [{x: across, y: up} for across, up in points]
