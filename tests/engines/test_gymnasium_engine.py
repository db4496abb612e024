import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch

import vecac.engines.gymnasium_engine as engine_module
from vecac.config import Config
from vecac.engines.gymnasium_engine import GymnasiumEngine
from vecac.environments.vector import make_environments
from vecac.learners.torch_learner import TorchLearner
from vecac.seeding import seed_sequences


@contextmanager
def make_engine(name="Counting", **settings):
    config = Config(env_id=f"scripted_environments:{name}-v0", **({"num_envs": 2, "n_rollout": 4} | settings))
    environments = make_environments(config)
    learner = TorchLearner(
        config,
        environments.obs_size,
        environments.action,
        torch.device("cpu"),
        seed_sequences(config.seed),
    )
    try:
        engine = GymnasiumEngine(config, environments, learner)
        engine.reset()
        yield engine
    finally:
        environments.close()


def test_counts_and_episodes_by_hand():
    """CountingEnv's episodes take 2, 3, 4, 2, ... steps; a dead row follows each in NEXT_STEP."""
    with make_engine() as engine:
        report = engine.iterate(1)  # rows of each environment: 1, 2 (end), dead, 1
        assert [(e.env_steps, e.episode_return, e.length) for e in report.episodes] == [(4, 3.0, 2)] * 2
        assert (engine.env_steps, engine.updates) == (2 * 3, 1)
        report = engine.iterate(1)  # 2, 3 (end), dead, 1
        assert [(e.env_steps, e.episode_return, e.length) for e in report.episodes] == [(10, 36.0, 3)] * 2
        assert [episode.environment for episode in report.episodes] == [0, 1]
        assert (engine.env_steps, engine.updates) == (2 * 6, 2)


def test_the_dead_row_is_carried_over_the_rollouts_boundary():
    with make_engine(n_rollout=2) as engine:
        engine.iterate(1)  # the episode ends in the rollout's last row
        assert engine._collector.rollout.valid_TN.all()
        engine.iterate(1)
        assert engine._collector.rollout.valid_TN.tolist() == [[False, False], [True, True]]
        assert engine.env_steps == 4 + 2


def test_a_rollout_of_dead_rows_alone_makes_no_update():
    with make_engine(num_envs=1, n_rollout=1) as engine:
        for valid in (1, 1, 0, 1):
            before = engine.env_steps, engine.updates, engine.network.fc1.bias.clone()
            report = engine.iterate(1)
            assert engine.env_steps == before[0] + valid
            assert engine.updates == before[1] + valid
            assert (report.last_update is not None) == bool(valid)
            assert torch.equal(engine.network.fc1.bias, before[2]) != bool(valid)


def test_iterate_returns_at_finished_episodes_and_never_beyond_the_count():
    with make_engine("Endless", n_rollout=2, autoreset_mode="same-step") as engine:
        engine.iterate(2)  # 4 steps, none of them the fifth
        assert engine.updates == 2
        report = engine.iterate(10)
        assert engine.updates == 3
        assert len(report.episodes) == 2


def test_a_call_ends_in_the_middle_of_a_slow_rollout_and_the_next_goes_on(monkeypatch):
    monkeypatch.setattr(engine_module, "CALL_SECONDS", 0.0)
    with make_engine("Endless", n_rollout=3) as engine:
        for _ in range(2):
            assert engine.iterate(5).last_update is None
            assert (engine.env_steps, engine.updates) == (0, 0)
        assert engine.iterate(5).last_update is not None
        assert (engine.env_steps, engine.updates) == (6, 1)
        slow = engine.network.fc1.weight.clone()
    monkeypatch.undo()
    with make_engine("Endless", n_rollout=3) as engine:
        engine.iterate(1)
        assert torch.equal(engine.network.fc1.weight, slow)


def test_one_call_takes_a_step_too_long_at_most():
    with make_engine("Sleeping", num_envs=1, n_rollout=4) as engine:
        before = time.perf_counter()
        engine.iterate(1)
        assert time.perf_counter() - before < 1.5  # one step sleeps 0.5 s, the rollout would take 2 s


def test_the_learning_rate_is_annealed_by_the_steps_before_the_rollout():
    settings = {"anneal_lr": True, "learning_rate": 0.1, "total_timesteps": 16, "autoreset_mode": "same-step"}
    with make_engine("Endless", **settings) as engine:
        rates = [engine.iterate(1).last_update.learning_rate for _ in range(2)]
        assert rates == [0.1, pytest.approx(0.05)]
    with make_engine("Endless") as engine:
        assert [engine.iterate(1).last_update.learning_rate for _ in range(2)] == [2e-4, 2e-4]


@pytest.mark.parametrize("engine_name", ["sync", "async"])
def test_the_parameters_learnt_from_are_the_same_whoever_steps(engine_name):
    learnt = []
    for name, mode in (("sync", "same-step"), (engine_name, "disabled")):
        with make_engine("Random", engine=name, autoreset_mode=mode) as engine:
            for _ in range(30):
                engine.iterate(1)
            learnt.append(engine.network.fc1.weight.detach().clone())
    assert torch.equal(*learnt)


def test_acting_sees_the_observation_that_is_stored_also_behind_an_end():
    with make_engine("Random", autoreset_mode="same-step", n_rollout=40) as engine:
        seen = []
        act = engine._learner.act

        def spy(rollout, t):
            seen.append(rollout.tensors.obs_SND[t].clone())
            assert np.array_equal(seen[-1].numpy(), engine.environments.obs)
            return act(rollout, t)

        engine._learner.act = spy
        engine.iterate(1)
        assert torch.equal(torch.stack(seen), engine._collector.rollout.tensors.obs_SND[:-1])
        assert (engine._collector.rollout.terminated_TN | engine._collector.rollout.truncated_TN)[:-1].any()


@pytest.mark.parametrize(
    ("name", "wrapper", "who"),
    [
        ("Saving", (), None),
        ("Random", (), "Random-v0"),
        (
            "Saving",
            ("gymnasium.wrappers:FrameStackObservation,stack_size=2",),
            "FrameStackObservation around Saving-v0",
        ),
    ],
)
def test_the_caveat_says_for_whose_sake_episodes_restart(name, wrapper, who):
    with make_engine(name, wrapper=wrapper) as engine:
        line = (
            f"{who} does not tell its inner state by get_state and set_state: "
            "resuming this run will restart its episodes"
        )
        assert engine.caveats() == ([] if who is None else [line])
