"""A search for the setting that learns fastest and farthest: Optuna proposes, successive halving disposes.

Trials come in generations. All of a generation are judged by few seeds and env steps, the best third of
them by more, and the best ninth by all (Jamieson & Talwalkar 2016, "Non-stochastic Best Arm
Identification"). What Optuna proposes depends on its seed and on what earlier generations came to, which the
study's folder knows: so a search that was interrupted is gone through again, without a run, up to where it
was. Nothing of it depends on the number of workers.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from vecac.errors import UsageError
from vecac.studies import statistics
from vecac.studies.design import RUNGS, Design
from vecac.studies.findings import gather_all
from vecac.studies.folder import StudyFolder
from vecac.studies.running import Display, Watch, do
from vecac.studies.variation import Range, Values
from vecac.studies.workers import Pool

GENERATION = 9
"""Trials that are proposed at a time, by what all earlier ones came to."""

KEPT = 3
"""Of so many trials that are judged together, one goes on."""

JOURNAL = "optuna.journal"
"""Optuna's storage, in the study's folder."""


class Sampler:
    """Optuna's side of a search.

    Args:
        varied: by field, what there is to choose from.
        journal: file for Optuna's storage, which is begun anew.
        seed: of its tree-structured Parzen estimator (Bergstra et al. 2011).
    """

    def __init__(self, varied: Mapping[str, Values], journal: Path, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        journal.unlink(missing_ok=True)
        self._varied = varied
        self._distributions = {name: _distribution(values) for name, values in varied.items()}
        self._study = optuna.create_study(
            study_name="vecac",
            storage=JournalStorage(JournalFileBackend(str(journal))),
            sampler=optuna.samplers.TPESampler(seed=seed % 2**32),
            direction="maximize",
        )
        self._trials: list[Trial] = []

    def propose(self, count: int) -> list[dict[str, Any]]:
        """The settings of so many more trials."""
        asked = [self._study.ask(self._distributions) for _ in range(count)]
        self._trials += asked
        return [{name: self._value(name, trial.params[name]) for name in self._varied} for trial in asked]

    def judge(self, scores: Mapping[int, float], rung: int) -> list[int]:
        """Tell what trials, by number from 0, came to by a rung; returns those that go on, the best first.

        After the last rung none does. Minus infinity is the score of one that failed.
        """
        is_last = rung == len(RUNGS) - 1
        ranked = sorted(scores, key=lambda number: (-scores[number], number))
        going_on = [] if is_last else ranked[: -(-len(ranked) // KEPT)]
        going_on = [number for number in going_on if scores[number] > -math.inf]
        for number in sorted(scores):
            trial, score = self._trials[number], scores[number]
            if score == -math.inf:
                self._study.tell(trial, state=TrialState.FAIL)
                continue
            trial.report(score, rung)
            if is_last:
                self._study.tell(trial, score)
            elif number not in going_on:
                self._study.tell(trial, state=TrialState.PRUNED)
        return going_on

    def _value(self, name: str, param: Any) -> Any:
        values = self._varied[name]
        return values.rounded(param) if isinstance(values, Range) else values[int(param.partition(":")[0])]


def run_search(study: StudyFolder, workers: Pool, watch: Watch) -> int | None:
    """Try settings, then the best one with as many seeds that no trial had.

    Settings are numbered by trial and rung. Returns the number of the best trial's, by the last rung, whose
    fresh seeds come behind the others; None if `watch` interrupted it.

    Raises:
        UsageError: the folder cannot be written to, or every trial failed.
    """
    search, first = study.design.search, study.design.base.seed
    assert search is not None
    sampler = Sampler(search.varied, study.path / JOURNAL, first)
    display, full = Display(study, watch), dict[int, float]()
    study.begin()
    study.design = dataclasses.replace(study.design, settings=())
    for generation in range(0, search.trials, GENERATION):
        count = min(GENERATION, search.trials - generation)
        study.add_settings(_settings(study.design, sampler.propose(count)))
        alive = list(range(generation, generation + count))
        for rung, seeds in enumerate(rung_seeds(study.design.seeds)):
            numbers = {trial: trial * len(RUNGS) + rung + 1 for trial in alive}
            wanted = [(number, seed) for seed in range(first, first + seeds) for number in numbers.values()]
            if not do(study, workers, wanted, display):
                return None
            scores = {trial: _score(study, number, seeds) for trial, number in numbers.items()}
            if rung == len(RUNGS) - 1:
                full |= {numbers[trial]: score for trial, score in scores.items()}
            alive = sampler.judge(scores, rung)
    if not full or max(full.values()) == -math.inf:
        raise UsageError(f"every trial failed; {study.path / 'runs.csv'} says why")
    best = max(full, key=lambda number: (full[number], -number))
    fresh = [(best, first + study.design.seeds + index) for index in range(study.design.seeds)]
    return best if do(study, workers, fresh, display) else None


def rung_seeds(seeds: int) -> list[int]:
    """How many seeds judge a trial, rung by rung."""
    return [math.ceil(share * seeds) for share, _ in RUNGS]


def _settings(design: Design, proposed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each trial and rung: what is proposed, and a share of the env steps."""
    total = design.base.total_timesteps
    steps = [max(1, math.ceil(part * total)) for _, part in RUNGS]
    return [setting | {"total_timesteps": one} for setting in proposed for one in steps]


def _score(study: StudyFolder, setting: int, seeds: int) -> float:
    """What a trial is judged by: the interquartile mean of the area under the curve, in units of return."""
    own = {(setting, seed): study.outcomes[setting, seed] for seed in study.design.seeds_of(seeds)}
    return float(statistics.interquartile_mean(gather_all(study.design, own)[setting].area_R))


def _distribution(values: Values) -> BaseDistribution:
    if not isinstance(values, Range):
        return CategoricalDistribution([f"{index}: {value}" for index, value in enumerate(values)])
    if values.is_whole:
        return IntDistribution(int(values.low), int(values.high), log=values.is_log)
    return FloatDistribution(values.low, values.high, log=values.is_log)
