"""Running a study: which runs are left to be done, and when there are enough."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vecac.errors import UsageError
from vecac.studies.design import MOST_SEEDS, Design
from vecac.studies.findings import gather_all, interval, judged, leading
from vecac.studies.folder import StudyFolder
from vecac.studies.outcome import Outcome
from vecac.studies.workers import Pool, Task

LEADER_SHARE = 0.02
"""Of the time, at the most, that it may take to find out who leads."""


@dataclass
class Progress:
    """How far a study is: runs done and wanted, env steps a second of this process, who leads.

    seconds_left: until all runs are done; None before there is one to tell by.
    """

    done: int
    wanted: int
    env_steps_per_s: float = 0.0
    seconds_left: float | None = None
    leader: int | None = None


Watch = Callable[[Progress], bool]
"""Told of the progress several times a second; a study is interrupted once it says no."""


def require_runnable(design: Design, workers: Pool, go_on: Callable[[], bool]) -> bool:
    """Refuse a design of which a setting cannot run here; returns False if go_on interrupted this.

    Settings that differ by real numbers alone can run or not together.

    Raises:
        UsageError: a setting cannot run; the message names it.
    """
    alike: dict[str, int] = {}
    for number, setting in enumerate(design.settings, start=1):
        kinds = {name: bool(value) if type(value) is float else value for name, value in setting.items()}
        alike.setdefault(repr(kinds), number)
    tasks = [Task(number, None, design.config(number, design.base.seed)) for number in alike.values()]
    for outcome in workers.prepare(tasks):
        if not go_on():
            return False
        if outcome is not None and outcome.error is not None:
            where = f"setting {outcome.setting} ({design.describe(outcome.setting)}): "
            raise UsageError((where if design.varied else "") + outcome.error)
    return True


def run_study(study: StudyFolder, workers: Pool, watch: Watch) -> bool:
    """Do the runs that are left, and write down each; returns False if `watch` interrupted it.

    Raises:
        UsageError: the folder cannot be written to.
    """
    design, display = study.design, Display(study, watch)
    counts = dict.fromkeys(range(1, len(design.settings) + 1), design.seeds)
    study.begin()
    while do(study, workers, _seed_by_seed(design, counts), display):
        setting = _setting_to_go_on_with(study, counts)
        if setting is None:
            return True
        counts[setting] += design.seeds
    return False


def do(study: StudyFolder, workers: Pool, wanted: Sequence[tuple[int, int]], display: "Display") -> bool:
    """Do what is missing of the runs that are wanted, by setting and seed; False if interrupted."""
    missing = [key for key in wanted if key not in study.outcomes]
    display.wanted = len(study.outcomes) + len(missing)
    first = study.design.base.seed
    configs = {setting: study.design.config(setting, first) for setting, _ in missing}
    tasks = (Task(setting, seed, configs[setting]) for setting, seed in missing)
    try:
        for outcome in workers.run(tasks):
            if outcome is not None:
                study.add(outcome)
                display.add(outcome)
            study.flush()
            if not display.go_on():
                return False
    finally:
        study.flush(is_end=True)
    return True


def _seed_by_seed(design: Design, counts: dict[int, int]) -> list[tuple[int, int]]:
    """So that early on there is something to see of every setting."""
    seeds = design.seeds_of(max(counts.values()))
    return [(setting, seed) for seed in seeds for setting, count in counts.items() if seed - seeds[0] < count]


def _setting_to_go_on_with(study: StudyFolder, counts: dict[int, int]) -> int | None:
    """The leading setting if its interval is too wide yet; None if there are enough runs.

    Only the seeds that are counted matter, so that an interrupted study comes to the same ones.
    """
    design = study.design
    if design.until_ci is None:
        return None
    first = design.base.seed
    counted = {key: outcome for key, outcome in study.outcomes.items() if key[1] < first + counts[key[0]]}
    runs = gather_all(design, counted)
    setting = leading(runs, design.threshold)
    estimate = interval(runs[setting], design.threshold)
    width = estimate.high - estimate.low
    is_known = math.isfinite(width)
    is_enough = counts[setting] + design.seeds > MOST_SEEDS or (counts[setting] > 1 and not is_known)
    if width <= design.until_ci or is_enough:
        return None
    return setting


class Display:
    """Tells `watch` how far a study is; `wanted` are the runs that there will be."""

    def __init__(self, study: StudyFolder, watch: Watch) -> None:
        self._study, self._watch = study, watch
        self._start, self._env_steps, self._runs_here = time.monotonic(), 0, 0
        self._leader: int | None = None
        self._leader_due = 0.0
        self._threshold = study.design.threshold
        self.wanted = 0

    def add(self, outcome: Outcome) -> None:
        """A run was done."""
        self._env_steps += outcome.env_steps
        self._runs_here += 1

    def go_on(self) -> bool:
        """Whether `watch` does not interrupt the study."""
        now = time.monotonic()
        design = self._study.design
        if now >= self._leader_due and (counted := judged(design, self._study.outcomes)):
            self._leader = leading(gather_all(design, counted), self._threshold)
            took = time.monotonic() - now
            self._leader_due = now + max(1.0, took / LEADER_SHARE)
        passed, done = max(now - self._start, 1e-9), len(self._study.outcomes)
        left = passed / self._runs_here * (self.wanted - done) if self._runs_here else None
        return self._watch(Progress(done, self.wanted, self._env_steps / passed, left, self._leader))
