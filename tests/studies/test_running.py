"""Which runs a study does, in which order, and when there are enough; with workers that only pretend."""

import numpy as np
import pytest

from vecac.config import Config
from vecac.errors import UsageError
from vecac.studies.design import make_design
from vecac.studies.folder import create_study_folder, read_study
from vecac.studies.outcome import POINTS, Outcome, failed
from vecac.studies.running import require_runnable, run_study
from vecac.studies.variation import parse_variations
from vecac.studies.workers import Task


class Pretenders:
    """Workers whose runs come to what a function says, at once; between two of them comes a tick."""

    def __init__(self, result):
        self.done, self._result = [], result

    def run(self, tasks, ahead=2):
        for task in tasks:
            yield None
            self.done.append((task.setting, task.seed))
            yield self._result(task)

    def prepare(self, tasks):
        return self.run(iter(tasks))


def solved(task, share=1.0):
    """A run that is solved with so many of ten seeds."""
    is_solved = task.seed % 10 < 10 * share
    return Outcome(
        task.setting,
        task.seed,
        "finished",
        env_steps=1000,
        eval_return_mean=1.0 * task.seed,
        solved_at_env_steps=500 if is_solved else None,
        curve_G=np.zeros(POINTS, np.float32),
    )


def make(tmp_path, *vary, seeds=3, **options):
    base = Config(engine="auto", total_timesteps=1000, log_dir=str(tmp_path))
    return create_study_folder(make_design(base, parse_variations(vary), seeds, **options))


def test_every_setting_is_tried_with_a_seed_before_the_next_seed(tmp_path):
    study, workers, seen = make(tmp_path, "gamma=0.9,0.99"), Pretenders(solved), []
    assert run_study(study, workers, lambda progress: seen.append((progress.done, progress.wanted)) or True)
    assert workers.done == [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3), (2, 3)]
    assert seen[0] == (0, 6)
    assert seen[-1] == (6, 6)
    assert sorted(read_study(study.path).outcomes) == sorted(workers.done)


@pytest.mark.parametrize("after", range(12))
def test_an_interrupted_study_goes_on_with_what_is_missing(tmp_path, after):
    study, workers = make(tmp_path, "gamma=0.9,0.99"), Pretenders(solved)
    calls = iter(range(100))
    assert not run_study(study, workers, lambda progress: next(calls) < after)
    done = list(workers.done)
    assert run_study(read_study(study.path), workers, lambda progress: True)
    assert sorted(workers.done) == [(setting, seed) for setting in (1, 2) for seed in (1, 2, 3)]
    assert workers.done[: len(done)] == done  # none was done twice


def test_the_leading_setting_is_told(tmp_path):
    def result(task):
        return solved(task, share=0.0 if task.setting == 1 else 1.0)

    leaders = []
    run_study(
        make(tmp_path, "gamma=0.9,0.99"),
        Pretenders(result),
        lambda progress: leaders.append(progress.leader) or True,
    )
    assert leaders[0] is None
    assert 1 in leaders  # the first run was its


def test_seeds_are_added_to_the_leading_setting_until_its_interval_is_narrow(tmp_path):
    """Wilson's interval is z^2 / (n + z^2) wide where all n are solved: 0.0989 for 35 runs, 0.113 for 30."""
    study = make(tmp_path, "gamma=0.9,0.99", seeds=5, until_ci=0.1)
    workers = Pretenders(lambda task: solved(task, share=0.5 if task.setting == 1 else 1.0))
    assert run_study(study, workers, lambda progress: True)
    counts = {setting: sum(key[0] == setting for key in study.outcomes) for setting in (1, 2)}
    assert counts == {1: 5, 2: 35}
    assert max(seed for _, seed in study.outcomes) == 35


@pytest.mark.parametrize("after", [5, 13, 21, 30, 41])
def test_an_interrupted_study_comes_to_the_same_seeds(tmp_path, after):
    def result(task):
        return solved(task, share=0.9 if task.setting == 1 else 0.6)

    whole = make(tmp_path, "gamma=0.9,0.99", seeds=4, until_ci=0.3)
    run_study(whole, Pretenders(result), lambda progress: True)
    study, calls = make(tmp_path, "gamma=0.9,0.99", seeds=4, until_ci=0.3), iter(range(1000))
    run_study(study, Pretenders(result), lambda progress: next(calls) < after)
    again = read_study(study.path)
    assert len(again.outcomes) < len(whole.outcomes)
    run_study(again, Pretenders(result), lambda progress: True)
    assert again.outcomes == whole.outcomes


def test_a_setting_that_always_fails_gets_no_more_seeds(tmp_path):
    base = Config(engine="auto", env_id="Pendulum-v1", total_timesteps=1000, log_dir=str(tmp_path))
    study = create_study_folder(make_design(base, {}, 3, until_ci=0.01))
    workers = Pretenders(lambda task: failed(task.setting, task.seed, "it broke"))
    assert run_study(study, workers, lambda progress: True)
    assert len(workers.done) == 3


def test_a_folder_that_is_gone_ends_the_study_in_a_line(tmp_path):
    study = make(tmp_path)

    def result(task):
        (study.path / "runs.csv").unlink()
        return solved(task)

    with pytest.raises(UsageError, match="cannot be written to"):
        run_study(study, Pretenders(result), lambda progress: True)


def test_settings_that_differ_by_numbers_alone_are_tried_once(tmp_path):
    design = make(tmp_path, "gamma=0.9,0.99", "num-envs=4,8", "td-lambda=0.0,0.5,0.9").design
    workers = Pretenders(lambda task: Outcome(task.setting, 0, "ready"))
    assert require_runnable(design, workers, lambda: True)
    assert workers.done == [(1, None), (2, None), (4, None), (5, None)]  # td_lambda 0 or not, 4 or 8 copies


def test_a_setting_that_cannot_run_here_is_refused_by_its_number(tmp_path):
    design = make(tmp_path, "num-envs=4,8").design

    def result(task: Task):
        return (
            failed(task.setting, 0, UsageError("no such thing"))
            if task.setting == 2
            else Outcome(1, 0, "ready")
        )

    with pytest.raises(UsageError, match=r"setting 2 \(--num-envs 8\): no such thing"):
        require_runnable(design, Pretenders(result), lambda: True)
    assert not require_runnable(design, Pretenders(result), lambda: False)
    with pytest.raises(UsageError, match=r"^no such thing"):
        require_runnable(
            make(tmp_path).design, Pretenders(lambda task: failed(1, 0, "no such thing")), lambda: True
        )
