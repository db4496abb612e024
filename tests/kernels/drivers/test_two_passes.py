"""The fused engine where it looks ahead or normalises, against Gymnasium's environments and torch.

Shapes: T rollout steps, N environments.
"""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from fused_support import Replay, make
from kernel_support import assert_gradients_close, state_of
from support import saved

from vecac.algorithm.rollout import Rollout
from vecac.engines.running_statistics import RunningStatistics
from vecac.learners.rollout_loss import RolloutLoss
from vecac.transition import Transition

ALL = {"td_lambda": 0.9, "normalize_advantage": True, "norm_obs": True, "norm_reward": True}
LOOK_AHEAD = {"td_lambda": 0.8, "ent_coef": 0.3, "bootstrap_truncated": False, "value_loss": "mse"}
DEEP = {"hidden_sizes": (16, 10), "activation": "tanh", "separate_critic": True}
SHALLOW = {"hidden_sizes": (8,)}
SHAPES = [(3, 7), (70, 4)]  # (N, T): a lane to spare; several blocks
CASES = [
    ("CartPole-v1", SHALLOW | LOOK_AHEAD),
    ("CartPole-v1", SHALLOW | {"normalize_advantage": True}),
    ("MountainCarContinuous-v0", SHALLOW | ALL),
    ("Push-v0", DEEP | LOOK_AHEAD | {"log_std_init": -0.5}),
    ("Pick-v0", DEEP | ALL),
]
SLOW_CASES = [  # each has kernels of its own, which nothing else needs
    ("CartPole-v1", SHALLOW | {"norm_obs": True, "clip_obs": 0.7}),
    ("CartPole-v1", SHALLOW | {"norm_reward": True, "vf_coef": 0.5}),
    ("Pendulum-v1", DEEP | ALL),
    ("Push-v0", DEEP | {"log_std_init": 0.5}),
]
ONE_PASS = [("Push-v0", SHALLOW | {"log_std_init": -0.5}), ("Pick-v0", SHALLOW | {"ent_coef": 0.3})]


def as_rollout(rows, num_steps, num_envs, compiled, last_obs):
    """The transitions, as the torch learner takes them."""
    rollout = Rollout(num_steps, num_envs, compiled.obs_size, compiled.action, True, torch.device("cpu"))
    steps = [rows[first : first + num_envs] for first in range(0, len(rows), num_envs)]
    obs_TND = [np.array([row[0] for row in step]) for step in steps] + [last_obs]
    rollout.start(obs_TND[0])
    valid = np.ones(num_envs, np.bool_)
    for t, step in enumerate(steps):
        _, action, reward, terminated, truncated, next_obs = (
            np.array(column) for column in zip(*step, strict=True)
        )
        rollout.action_rows[t].copy_(torch.from_numpy(action))
        result = Transition(obs_TND[t + 1], reward.astype(np.float32), terminated, truncated, next_obs, valid)
        rollout.insert(t, result, obs_TND[t + 1])
    rollout.finish()
    return rollout


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(
    ("env_id", "options"),
    [*CASES, *ONE_PASS, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW_CASES)],
    ids=str,
)
def test_rollout_gradient_and_statistics_are_those_of_gymnasium_and_torch(env_id, options, shape):
    num_envs, num_steps = shape
    settings = {"num_envs": num_envs, "n_rollout": num_steps, "learning_rate": 1e-30, "seed": 4} | options
    engine = make(env_id, 9, **settings)
    for _ in range(4):  # environments come apart, and episodes end in mid-rollout
        engine.iterate(1)
    replay, network = Replay(engine, env_id, 9), copy.deepcopy(engine.network)
    config = engine._shared._settings
    statistics = RunningStatistics(network, config.gamma, num_envs)
    kept = engine.memory.kept
    if kept:
        statistics.load_state_dict({"return_N": torch.from_numpy(kept.return_N)})
    rows, episodes = replay.rollout(num_steps, engine.env_steps)
    report = engine.iterate(1)
    # Real numbers as torch computes them have other last bits.
    tolerance = 1e-4 if replay.compiled.action.kind == "box" else 0.0
    for ours, theirs in zip(report.episodes, episodes, strict=True):
        assert ours.episode_return == pytest.approx(theirs.episode_return, rel=tolerance, abs=tolerance)
        assert ours._replace(episode_return=0) == theirs._replace(episode_return=0)
    for env, record in zip(replay.envs, engine.memory.environments, strict=True):
        assert np.allclose(env.unwrapped.state, record["state"], rtol=tolerance, atol=tolerance)
    rollout = as_rollout(rows, num_steps, num_envs, replay.compiled, replay.obs())
    statistics.take_in_rewards(rollout)
    RolloutLoss(config, network).backward(rollout, config.ent_coef)
    expected = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert_gradients_close(engine._shared.gradient(), expected, 10 if tolerance else 1)
    statistics.take_in_observations(rollout)
    for (name, ours), theirs in zip(engine.network.named_buffers(), network.buffers(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-12), name
    if config.norm_reward:
        assert np.allclose(kept.return_N, statistics.state_dict()["return_N"], rtol=1e-5)


def test_the_cases_have_ends_of_every_kind():
    seen = set()
    for env_id, options in CASES:
        engine = make(env_id, 9, num_envs=70, n_rollout=9, seed=3, **options)
        rows, _ = Replay(engine, env_id, 9).rollout(9, 0)
        seen |= {(bool(row[3]), bool(row[4])) for row in rows}
    assert seen == set(itertools.product([False, True], repeat=2))


def everything(engine):
    memory = engine.memory
    arrays = [memory.environments, memory.window, memory.progress, memory.model.mean_M, memory.model.square_M]
    buffers = [buffer.numpy() for buffer in engine.network.buffers()]
    arrays += [*buffers, memory.kept.return_N]
    return [state_of(engine.network).numpy().tobytes(), *(array.tobytes() for array in arrays)]


LEARNING = SHALLOW | ALL | {"env_id": "Pendulum-v1", "learning_rate": 1e-3}


@pytest.mark.parametrize("num_envs", [16, 200, 5000])
def test_the_number_of_threads_changes_no_bit(num_envs):
    results = []
    for num_threads in (1, 2, 3):
        engine = make(num_envs=num_envs, num_threads=num_threads, **LEARNING)
        for _ in range(3):
            engine.iterate(2)
        engine.memory.progress["finished"] = 0  # a mark of the last call, not of the run
        results.append(everything(engine))
        engine.close()
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("calls", [[1] * 50, [7] * 7 + [1]])
def test_splitting_the_calls_changes_no_bit(calls):
    whole, split = make(num_envs=6, **LEARNING), make(num_envs=6, **LEARNING)
    while whole.updates < 50:
        whole.iterate(50 - whole.updates)
    for count in calls:
        split.iterate(count)
    for engine in (whole, split):
        engine.memory.progress["finished"] = 0
    assert everything(split) == everything(whole)


def test_it_goes_on_bit_for_bit_from_a_state(tmp_path):
    engine = make(num_envs=6, time_limit=13, **LEARNING)
    engine.iterate(10)
    state = saved(engine, tmp_path)
    engine.iterate(10)
    other = make(num_envs=6, time_limit=13, **LEARNING | {"seed": 8})
    other.load_state_dict(state)
    other.iterate(10)
    for each in (engine, other):
        each.memory.progress["finished"] = 0
    assert everything(other) == everything(engine)


def test_it_stops_in_an_iteration_that_is_whole():
    engine = make(num_envs=6, time_limit=5, **LEARNING)
    engine.iterate(100_000, goal=-1e9)
    assert len(engine._finished()) == 108  # the first hundred, and what ended in the same rollout
    assert engine.env_steps == engine.updates * 6 * engine.memory.endings_TN.shape[0]


def test_a_gradient_that_is_not_finite_is_told():
    engine = make(num_envs=6, **LEARNING)
    engine.memory.model.parameters["fc1_bias"][:] = math.nan
    assert engine.iterate(5).diverged
    assert engine.updates == 1


def test_an_observation_that_is_not_finite_is_told_although_it_is_clipped():
    engine = make("CartPole-v1", num_envs=6, **SHALLOW, norm_obs=True, n_rollout=5)
    engine.iterate(1)
    engine.memory.environments["state"][2, 1] = 1e300
    assert engine.iterate(1).diverged  # the environment does not show it any more
