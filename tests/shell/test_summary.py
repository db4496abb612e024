"""The first and the last lines of a run."""

from pathlib import Path

import pytest

import vecac
from vecac.config import Config
from vecac.engines.evaluation import result_fields
from vecac.runs.run_folder import Result
from vecac.shell.summary import describe_result, describe_start


def test_describe_start_says_what_runs_where_it_is_recorded_and_how_to_watch_it():
    text = describe_start(Config(num_envs=4, learner="torch", num_threads=1), "cpu", Path("logs/run"))
    assert text.splitlines() == [
        f"vecac {vecac.__version__}: CartPole-v1, 4 environments (sync, next-step), "
        "learning on cpu (torch) with 1 CPU thread(s)",
        "run folder: logs/run",
        "watch it:   tensorboard --logdir logs/run",
    ]


def test_describe_start_names_the_start_method_of_workers():
    config = Config(engine="async", start_method="spawn", autoreset_mode="disabled")
    assert "(async, spawn start, disabled)" in describe_start(config, "cuda:0", Path("x"))


RESULT = Result(
    run_dir=Path("logs/run"),
    env_id="CartPole-v1",
    env_steps=1_000_010,
    updates=6251,
    episodes=4321,
    seconds=12.34,
    env_steps_per_s=81_038.1,
    last_100_return_mean=480.0,
    solved_at_env_steps=None,
    solved_at_seconds=None,
    best_env_steps=None,
    best_return_mean=None,
    **result_fields({}),
    stop_reason="finished",
    error=None,
    engine="sync",
    learner="torch",
    device="cpu",
    device_requested="auto",
    seed=1,
)
SOLVED = {"solved_at_env_steps": 345_678, "solved_at_seconds": 4.25}
EVALUATED = {
    "eval_episodes": 100,
    "eval_return_mean": 499.96,
    "eval_return_std": 0.25,
    "eval_sampled_return_mean": 450.04,
    "eval_sampled_return_std": 49.5,
}
BEST = {"best_env_steps": 480_000, "best_return_mean": 499.96}
BEST_EVALUATED = {
    "eval_best_return_mean": 498.0,
    "eval_best_return_std": 0.0,
    "eval_best_sampled_return_mean": 497.04,
    "eval_best_sampled_return_std": 7.0,
}
COUNTS = "1,000,010 env steps in 12.3 s (81,038 a second), 4,321 episodes"
SOLVED_LINE = "solved after 345,678 env steps, 4.2 s"
EVALUATION_LINE = (
    "evaluation over 100 episodes: greedy 500.0 +- 0.2, sampled 450.0 +- 49.5 "
    "(mean return, standard deviation)"
)
BEST_LINE = "best parameters, after 480,000 env steps (mean return 500.0 then)"
BEST_EVALUATION_LINE = f"{BEST_LINE}: greedy 498.0 +- 0.0, sampled 497.0 +- 7.0"
CUT_LINE = "7 episodes of these evaluations did not end and were cut (--eval-max-steps)"
RESUME = "go on with it: python -m vecac.train --resume logs/run"
AGAIN = "play it again: python -m vecac.evaluate logs/run"
LATEST = f"{AGAIN} --checkpoint latest"


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (EVALUATED | SOLVED, [f"finished: {COUNTS}", SOLVED_LINE, EVALUATION_LINE, AGAIN]),
        (EVALUATED, [f"finished: {COUNTS}", EVALUATION_LINE, AGAIN]),
        (SOLVED, [f"finished: {COUNTS}", SOLVED_LINE, AGAIN]),
        ({}, [f"finished: {COUNTS}", AGAIN]),
        ({"stop_reason": "interrupted"}, [f"interrupted: {COUNTS}", RESUME, AGAIN]),
        ({"stop_reason": "interrupted"} | BEST, [f"interrupted: {COUNTS}", BEST_LINE, RESUME, AGAIN]),
        (
            {"stop_reason": "target_reached"} | EVALUATED,
            [f"target reached: {COUNTS}", EVALUATION_LINE, AGAIN],
        ),
        (
            EVALUATED | BEST | BEST_EVALUATED,
            [f"finished: {COUNTS}", EVALUATION_LINE, BEST_EVALUATION_LINE, LATEST],
        ),
        (
            EVALUATED | BEST | BEST_EVALUATED | {"eval_return_mean": 498.0, "eval_return_std": 0.0},
            [
                f"finished: {COUNTS}",
                EVALUATION_LINE.replace("500.0 +- 0.2", "498.0 +- 0.0"),
                BEST_EVALUATION_LINE,
                AGAIN,
            ],
        ),
        (
            EVALUATED | BEST | {"best_env_steps": 1_000_010, "eval_best_return_mean": 499.96},
            [f"finished: {COUNTS}", EVALUATION_LINE, AGAIN],
        ),
        (EVALUATED | {"eval_cut_episodes": 7}, [f"finished: {COUNTS}", EVALUATION_LINE, CUT_LINE, AGAIN]),
    ],
    ids=[
        *("solved", "unsolved", "solved, not evaluated", "no evaluation", "interrupted"),
        *(
            "interrupted, with a best",
            "target",
            "the last is better",
            "as good",
            "the last is the best",
            "cut",
        ),
    ],
)
def test_describe_result(changes, lines):
    result = Result(**{**vars(RESULT), **changes})
    assert describe_result(result).splitlines() == lines
