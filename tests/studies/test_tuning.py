"""Searches: what is judged, what goes on, and what is found; by workers that only pretend to train."""

import json
import math

import numpy as np
import optuna
import pytest

from vecac.config import Config
from vecac.errors import UsageError
from vecac.studies.design import RUNGS, Design, corners, make_search
from vecac.studies.folder import create_study_folder, read_study
from vecac.studies.outcome import POINTS, Outcome, failed
from vecac.studies.results import write_results
from vecac.studies.tuning import GENERATION, JOURNAL, Sampler, run_search, rung_seeds
from vecac.studies.variation import parse_variations

SEEDS, TOTAL = 9, 1000


class Pretenders:
    """The nearer a run's learning rate is to 1e-3, by its logarithm, the more it comes to."""

    count = 1

    def __init__(self, fails=lambda task: False):
        self.done, self._fails = [], fails

    def run(self, tasks):
        for task in tasks:
            self.done.append((task.setting, task.seed, task.config.total_timesteps))
            if self._fails(task):
                yield failed(task.setting, task.seed, "it broke")
                continue
            reached = 100 - 10 * abs(math.log10(task.config.learning_rate) + 3) + task.seed % 3
            curve_G = np.full(POINTS, reached, np.float32)
            yield Outcome(
                *(task.setting, task.seed, "finished"),
                env_steps=task.config.total_timesteps,
                eval_return_mean=reached,
                curve_G=curve_G,
            )


def make(tmp_path, trials=20, vary=("learning-rate=log:1e-6..1", "gamma=0.9,0.99"), **base):
    config = Config(engine="auto", total_timesteps=TOTAL, log_dir=str(tmp_path), env_id="Pendulum-v1", **base)
    return create_study_folder(make_search(config, parse_variations(vary), SEEDS, trials))


def search(study, workers, after=math.inf):
    calls = iter(range(10**6))
    return run_search(study, workers, lambda progress: next(calls) < after)


def test_a_third_of_each_generation_goes_on_with_more_seeds_and_env_steps(tmp_path):
    study, workers = make(tmp_path, trials=2 * GENERATION), Pretenders()
    best = search(study, workers)
    assert rung_seeds(SEEDS) == [1, 3, 9]
    tried = {rung: [one for one in workers.done if (one[0] - 1) % len(RUNGS) == rung] for rung in range(3)}
    assert len(tried[0]) == 2 * 9 * 1
    assert len(tried[1]) == 2 * 3 * 3
    assert len(tried[2]) == 2 * 1 * 9 + SEEDS  # and the best one's fresh seeds
    assert {steps for *_, steps in tried[0]} == {250}
    assert {steps for *_, steps in tried[1]} == {500}
    assert {steps for *_, steps in tried[2]} == {TOTAL}
    fresh = [seed for setting, seed, _ in workers.done if setting == best and seed > SEEDS]
    assert fresh == list(range(SEEDS + 1, 2 * SEEDS + 1))


def test_it_finds_what_is_best_and_gets_nearer(tmp_path):
    study = make(tmp_path, trials=6 * GENERATION)
    best = search(study, Pretenders())
    assert 3e-4 < study.design.settings[best - 1]["learning_rate"] < 3e-3
    rates = [
        abs(math.log10(setting["learning_rate"]) + 3) for setting in study.design.settings[:: len(RUNGS)]
    ]
    assert np.mean(rates[-GENERATION:]) < 0.7 * np.mean(
        rates[:GENERATION]
    )  # of which Optuna knew nothing yet


@pytest.mark.parametrize("after", [1, 8, 13, 30, 44, 70])
def test_an_interrupted_search_goes_on_without_doing_a_run_twice(tmp_path, after):
    whole, workers = make(tmp_path), Pretenders()
    best = search(whole, workers)
    study, first = make(tmp_path), Pretenders()
    assert search(study, first, after) is None
    second = Pretenders()
    again = read_study(study.path)
    assert search(again, second) == best
    assert first.done + second.done == workers.done
    assert again.outcomes == whole.outcomes
    for each in (whole, again):
        each.end()
    assert again.design.settings == whole.design.settings
    assert (whole.path / "runs.csv").read_bytes() == (again.path / "runs.csv").read_bytes()


def test_what_it_leaves(tmp_path):
    study = make(tmp_path)
    best = search(study, Pretenders())
    result = write_results(study, best)
    found = result.summary["found"]
    assert result.summary["leading"] == result.summary["ranking"][0] == best
    assert found["fresh_seeds"] == [SEEDS + 1, 2 * SEEDS]
    assert (found["fresh"]["runs"], found["fresh"]["setting"]) == (SEEDS, best)
    rate = study.design.settings[best - 1]["learning_rate"]
    assert f"--learning-rate {rate} " in found["command"] + " "
    assert "--env-id Pendulum-v1" in found["command"]
    assert all(row["runs"] == SEEDS for row in result.summary["settings"])  # fresh seeds judge nothing
    assert {row["setting"] % len(RUNGS) for row in result.summary["settings"]} == {0}
    text = (study.path / "summary.md").read_text()
    assert found["command"] in text
    assert "with seeds 10 to 18, which no trial had" in text
    trials = optuna.load_study(
        study_name="vecac",
        storage=optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(study.path / JOURNAL))
        ),
    ).trials
    states = [trial.state.name for trial in trials]
    assert (states.count("COMPLETE"), states.count("PRUNED")) == (3, 17)


def test_a_trial_that_fails_goes_no_further_and_a_search_of_such_alone_is_told(tmp_path):
    workers = Pretenders(lambda task: task.config.gamma == 0.99)
    study = make(tmp_path)
    best = search(study, workers)
    assert study.design.settings[best - 1]["gamma"] == 0.9
    later = [setting for setting, *_ in workers.done if (setting - 1) % len(RUNGS)]
    assert {study.design.settings[setting - 1]["gamma"] for setting in later} == {0.9}
    with pytest.raises(UsageError, match=r"every trial failed; .*runs.csv says why"):
        search(make(tmp_path), Pretenders(lambda task: True))


def test_proposals_are_what_settings_can_have(tmp_path):
    varied = parse_variations(
        [
            "hidden-sizes=64,64 64",
            "max-grad-norm=none,0.5",
            "num-envs=log:1..64",
            "n-rollout=5..20",
            "gamma=0.9..0.99",
        ]
    )
    proposed = Sampler(varied, tmp_path / "journal", 3).propose(30)
    assert {setting["hidden_sizes"] for setting in proposed} == {(64,), (64, 64)}
    assert {setting["max_grad_norm"] for setting in proposed} == {None, 0.5}
    assert all(type(setting["num_envs"]) is int and 1 <= setting["num_envs"] <= 64 for setting in proposed)
    assert all(type(setting["n_rollout"]) is int and 5 <= setting["n_rollout"] <= 20 for setting in proposed)
    assert all(float(f"{setting['gamma']:.4g}") == setting["gamma"] for setting in proposed)
    assert Sampler(varied, tmp_path / "journal", 3).propose(30) == proposed
    assert Sampler(varied, tmp_path / "journal", 4).propose(30) != proposed


@pytest.mark.parametrize(
    ("vary", "trials", "said"),
    [
        ([], 3, "--tune 3 tries settings, at least 1, from --vary: add that"),
        (["gamma=0.9,0.99"], 0, "--tune 0 tries settings"),
        (["gamma=0.9..1.5"], 3, r"setting 2 \(--gamma 1.5\): --gamma must be between 0 and 1"),
        (["total-timesteps=100,200"], 3, "--tune shortens runs by itself"),
    ],
)
def test_a_search_that_cannot_be_is_refused(vary, trials, said):
    with pytest.raises(UsageError, match=said):
        make_search(Config(), parse_variations(vary), 3, trials)


def test_a_search_comes_back_from_json(tmp_path):
    design = make(
        tmp_path, vary=("learning-rate=log:1e-6..1", "hidden-sizes=64,64 64", "num-envs=1..8")
    ).design
    assert Design.from_dict(json.loads(json.dumps(design.to_dict()))) == design


def test_corners_are_every_value_beside_the_first_of_the_others(tmp_path):
    design = make(tmp_path, vary=("gamma=0.9..0.99", "num-envs=4,8,16")).design
    assert corners(design).settings == (
        {"gamma": 0.9, "num_envs": 4},
        {"gamma": 0.99, "num_envs": 4},
        {"gamma": 0.9, "num_envs": 4},
        {"gamma": 0.9, "num_envs": 8},
        {"gamma": 0.9, "num_envs": 16},
    )
