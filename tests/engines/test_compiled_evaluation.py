"""Evaluation by the kernel: what it hands out, and that it is as good as Gymnasium's."""

from contextlib import closing

import numpy as np
import pytest
import torch

from vecac.config import Config
from vecac.engines.compiled_evaluation import evaluate_compiled
from vecac.engines.evaluation import evaluate, make_evaluation_environments
from vecac.engines.selection import make_engine
from vecac.errors import EnvironmentFault
from vecac.kernels.environments.cartpole import CARTPOLE
from vecac.seeding import seed_sequences


@pytest.fixture(scope="module")
def trained():
    config = Config(engine="fused", num_threads=1, learning_rate=1e-3)
    engine = make_engine(config, torch.device("cpu"), 1)
    engine.reset()
    while engine.env_steps < 60_000:
        engine.iterate(100)
    return config, engine


def play(engine, episodes=50, **options):
    return evaluate_compiled(
        engine, episodes, **({"sampled": True, "seed": 3, "most_steps": 500, "cut_at": None} | options)
    )


def test_the_same_seed_plays_the_same_episodes_and_another_one_others(trained):
    _, engine = trained
    first = play(engine)
    assert (first.returns, first.lengths) == (play(engine).returns, play(engine).lengths)
    assert first.returns != play(engine, seed=4).returns
    assert len(first.returns) == 50
    assert first.returns == [float(length) for length in first.lengths]  # CartPole pays 1 a step


def test_episodes_do_not_depend_on_how_many_are_in_memory(trained, monkeypatch):
    _, engine = trained
    whole = play(engine)
    monkeypatch.setattr("vecac.engines.compiled_evaluation.EPISODES_A_CALL", 7)
    assert play(engine).returns == whole.returns


@pytest.mark.parametrize("sampled", [False, True])
def test_the_mean_is_gymnasiums(trained, sampled):
    """Other first states of the same distribution: two samples of one mean, by their standard errors."""
    config, engine = trained
    ours = play(engine, 400, sampled=sampled)
    sequence = seed_sequences(3).evaluation
    with closing(make_evaluation_environments(config, 400)) as environments:
        theirs = evaluate(engine.network, environments, 400, sampled=sampled, sequence=sequence)
    error = np.hypot(ours.std, theirs.std) / np.sqrt(400)
    assert abs(ours.mean - theirs.mean) < 4 * error + 1e-9
    assert 40 < ours.mean < 500  # a policy between chance and perfect, of which a mean says something


def test_cut_episodes_are_counted_apart_from_those_that_end_by_themselves(trained):
    _, engine = trained
    limit = int(np.median(play(engine).lengths))
    evaluation = play(engine, most_steps=limit, cut_at=limit)
    assert 0 < evaluation.cut <= sum(length == limit for length in evaluation.lengths) < 50
    assert play(engine, most_steps=limit).cut == 0  # the environment's own limit cuts nothing


def test_a_fault_of_the_environment_is_named(trained, monkeypatch):
    _, engine = trained
    assert engine.environment is CARTPOLE

    def raising(*_):
        raise ValueError("too far")

    monkeypatch.setattr(engine.kernels, "specialise", lambda *_: raising)
    with pytest.raises(EnvironmentFault, match="a compiled environment raised ValueError: too far"):
        play(engine)
