"""Studies of which no run was trained: their outcomes are invented."""

import csv
import json

import numpy as np

from vecac.config import Config
from vecac.studies.design import make_design
from vecac.studies.findings import gather_all, summarize
from vecac.studies.folder import create_study_folder
from vecac.studies.outcome import POINTS, TIMES, Outcome, failed


def make_study(path, varied=None, seeds=4, outcome=None, sample_size=None, **base):
    """A study of CartPole-v1 in a folder below path, its runs and its summary; outcome(setting, seed)."""
    config = Config(**{"total_timesteps": 1000, "log_dir": str(path), **base})
    design = make_design(config, varied or {}, seeds, sample_size)
    study = create_study_folder(design)
    for setting in range(1, len(design.settings) + 1):
        for seed in design.seeds_of(seeds):
            run = (outcome or invented)(setting, seed)
            study.outcomes[setting, seed] = run
    runs = gather_all(design, study.outcomes)
    return study, runs, summarize(design, runs)


def invented(setting, seed, final=None, solved_at=None, curve=None, total=1000):
    """A run that was trained to its end: its curve climbs evenly to the final return, 10 * setting + seed."""
    final = 10.0 * setting + seed if final is None else final
    if curve is None:
        curve = final * np.arange(1, POINTS + 1) / POINTS
    return Outcome(
        setting,
        seed,
        "total_timesteps",
        env_steps=total,
        episodes=100,
        last_100_return_mean=final,
        eval_return_mean=final,
        solved_at_env_steps=solved_at,
        seconds=1.0,
        curve_G=np.asarray(curve, np.float32),
    )


def failure(setting, seed):
    """A run that came to nothing."""
    return failed(setting, seed, "the loss is not finite")


def rows(folder):
    """The rows of a study's runs.csv, but for their times."""
    with (folder / "runs.csv").open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if name not in TIMES} for row in csv.DictReader(file)
        ]


def without_times(folder):
    """Everything that a study leaves but its times: rows, summary, and the bytes of tables and figures."""
    summary = json.loads((folder / "summary.json").read_text())
    del summary["times"]
    files = [path for path in folder.iterdir() if path.suffix in (".png", ".svg", ".npz", ".md")]
    return rows(folder), summary, {path.name: path.read_bytes() for path in files}
