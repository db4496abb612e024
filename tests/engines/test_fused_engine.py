"""The fused engine, against Gymnasium's environments and torch's gradient, transition by transition.

Shapes: T rollout steps, N environments, B valid transitions.
"""

import itertools
import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from kernel_support import LINE, assert_gradients_close, state_of
from support import SMALL

from vecac.algorithm.network import ActorCritic
from vecac.algorithm.td import actor_critic_loss, td_targets
from vecac.config import Config
from vecac.engines import fused_engine
from vecac.engines.fused_engine import FusedEngine
from vecac.kernels.drivers.fused import next_uniform
from vecac.kernels.environments.acrobot import ACROBOT
from vecac.kernels.environments.cartpole import CARTPOLE
from vecac.kernels.environments.mountain_car import MOUNTAIN_CAR
from vecac.runs.progress import EpisodeStatistics
from vecac.seeding import seed_sequences
from vecac.transition import Episode

ENVIRONMENTS = {
    "CartPole-v1": CARTPOLE,
    "MountainCar-v0": MOUNTAIN_CAR,
    "Line-v0": LINE,
    "Acrobot-v1": ACROBOT,
}
SHAPES = [(1, 1), (1, 10), (3, 7), (4, 5), (70, 4), (130, 3)]  # (N, T): lanes to spare, several blocks
OPTIONS = [
    {},
    {"ent_coef": 0.2, "vf_coef": 0.5},
    {"bootstrap_truncated": False, "reward_scale": 1.0, "value_loss": "mse"},
]


def make(env_id="CartPole-v1", time_limit=500, num_threads=1, **settings):
    config = Config(**({"env_id": env_id, "engine": "fused"} | settings))
    engine = FusedEngine(config, ENVIRONMENTS[env_id], time_limit, num_threads, seed_sequences(config.seed))
    engine.reset()
    return engine


class Replay:
    """The same environments by Gymnasium, with the engine's random streams and torch's network."""

    def __init__(self, engine, env_id, time_limit):
        self.engine, self.compiled = engine, ENVIRONMENTS[env_id]
        self.records = engine.memory.environments.copy()
        self.envs = [gym.make(env_id, max_episode_steps=time_limit) for _ in self.records]
        for env, record in zip(self.envs, self.records, strict=True):
            env.reset(seed=0)
            env.unwrapped.state = record["state"].copy()
            env._elapsed_steps = int(record["length"])
        self.returns = self.records["episode_return"].tolist()
        self.lengths = self.records["length"].tolist()

    def uniform(self, index):
        with np.errstate(over="ignore"):
            return next_uniform.py_func(self.records.view(np.recarray)[index])

    def obs(self, index):
        return np.array(self.compiled.observe(tuple(self.envs[index].unwrapped.state)), np.float32)

    def rollout(self, num_steps, env_steps):
        """Transitions in order of step, then environment; and the episodes that ended."""
        rows, episodes = [], []
        for _ in range(num_steps):
            env_steps += len(self.envs)
            obs_ND = np.array([self.obs(index) for index in range(len(self.envs))])
            with torch.no_grad():
                logits_NA, _ = self.engine.network(torch.from_numpy(obs_ND))
            below_NA = logits_NA.softmax(1).cumsum(1)[:, :-1].double().numpy()
            for index, env in enumerate(self.envs):
                obs = obs_ND[index]
                action = int((self.uniform(index) >= below_NA[index]).sum())
                next_obs, reward, terminated, truncated, _ = env.step(action)
                rows.append((obs, action, float(reward), terminated, truncated, next_obs))
                self.returns[index] += float(reward)
                self.lengths[index] += 1
                if terminated or truncated:
                    episodes.append(Episode(env_steps, self.returns[index], self.lengths[index], index))
                    self.returns[index], self.lengths[index] = 0.0, 0
                    env.reset()
                    draws = tuple(self.uniform(index) for _ in range(self.compiled.num_uniforms))
                    env.unwrapped.state = np.array(self.compiled.reset(draws))
        return rows, episodes


def reference(network, rows, config):
    """Loss terms and gradients by td.py and autograd, in double precision, and the values and targets."""
    double = ActorCritic(network.fc1.in_features, network.fc_pi.out_features, *config.hidden_sizes).double()
    double.load_state_dict(network.state_dict())
    obs, action, reward, terminated, truncated, next_obs = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    ends = torch.from_numpy(terminated if config.bootstrap_truncated else terminated | truncated)
    logits, value = double(torch.from_numpy(obs).double())
    next_value = double(torch.from_numpy(next_obs).double())[1].detach()
    scaled = torch.from_numpy(reward * config.reward_scale)
    target = td_targets(scaled, ends, next_value, config.gamma)
    log_prob, entropy = double.head.evaluate(logits, torch.from_numpy(action))
    coefficients = config.ent_coef, config.vf_coef, config.value_loss
    terms = actor_critic_loss(log_prob, entropy, value, target, *coefficients)
    terms.total.backward()
    return terms, {name: parameter.grad for name, parameter in double.named_parameters()}, value, target


CASES = [
    (env_id, shape, options)
    for env_id, options in itertools.product(ENVIRONMENTS, OPTIONS)
    for shape in SHAPES
    if env_id != "Acrobot-v1" or not options
]
assert len(CASES) <= 60


@pytest.mark.parametrize(("env_id", "shape", "options"), CASES, ids=str)
def test_rollout_and_gradient_are_those_of_gymnasium_and_torch(env_id, shape, options):
    num_envs, num_steps = shape
    # The seed: with some others, the rows of a bias all but cancel, and 1e-5 of what is left is noise.
    settings = {"num_envs": num_envs, "n_rollout": num_steps, "seed": 4, **SMALL} | options
    engine = make(env_id, 9, learning_rate=1e-30, **settings)  # leaves the gradient, moves nothing
    for _ in range(4):  # environments come apart, and episodes end in mid-rollout
        engine.iterate(1)
    replay = Replay(engine, env_id, 9)
    rows, episodes = replay.rollout(num_steps, engine.env_steps)
    report = engine.iterate(1)
    assert list(report.episodes) == episodes
    for env, record in zip(replay.envs, engine.memory.environments, strict=True):
        assert np.array_equal(np.array(env.unwrapped.state, np.float64), record["state"])  # to the last bit
    terms, gradient, value, target = reference(engine.network, rows, engine._shared._settings)
    assert_gradients_close(engine._shared.gradient(), gradient)
    metrics = report.last_update.read()
    norm = math.sqrt(sum(float((grad**2).sum()) for grad in gradient.values()))
    explained = 1 - float((target - value).var(correction=0) / target.var(correction=0))
    expected = [*(float(term) for term in terms), norm]
    names = ("loss", "policy_loss", "value_loss", "entropy", "grad_norm")
    assert [metrics[f"train/{name}"] for name in names] == pytest.approx(expected, rel=1e-4, abs=1e-7)
    if float(target.std()) > 1e-3:
        assert metrics["train/explained_variance"] == pytest.approx(explained, rel=1e-3, abs=1e-3)


def test_the_cases_have_ends_of_every_kind():
    seen = set()
    for env_id in ENVIRONMENTS:
        engine = make(env_id, 9, num_envs=70, n_rollout=9, seed=3, **SMALL)
        rows, _ = Replay(engine, env_id, 9).rollout(9, 0)
        seen |= {(bool(row[3]), bool(row[4])) for row in rows}
    assert seen == {(False, False), (True, False), (False, True), (True, True)}


def test_100_000_env_steps_with_ends_and_time_limits_are_gymnasiums():
    engine = make(time_limit=25, num_envs=16, n_rollout=50, learning_rate=1e-30)
    replay = Replay(engine, "CartPole-v1", 25)
    lengths = []
    for _ in range(125):
        _, expected = replay.rollout(50, engine.env_steps)
        episodes = list(engine.iterate(1).episodes)
        assert episodes == expected
        lengths += [episode.length for episode in episodes]
    assert engine.env_steps == 100_000
    for env, record in zip(replay.envs, engine.memory.environments, strict=True):
        assert np.array_equal(env.unwrapped.state, record["state"])
    assert lengths.count(25) > 1000
    assert sum(length < 25 for length in lengths) > 1000


def everything(engine):
    memory = engine.memory
    arrays = [memory.environments, memory.window, memory.progress, memory.model.mean_M, memory.model.square_M]
    return [state_of(engine.network).numpy().tobytes(), *(array.tobytes() for array in arrays)]


@pytest.mark.parametrize("num_envs", [16, 200, 5000])
def test_the_number_of_threads_changes_no_bit(num_envs):
    results = []
    for num_threads in (1, 2, 3):
        engine = make(num_envs=num_envs, num_threads=num_threads, learning_rate=1e-3)
        episodes = []
        for _ in range(3):
            episodes += engine.iterate(2).episodes
        engine.memory.progress["finished"] = 0  # a mark of the last call, not of the run
        results.append((everything(engine), episodes))
        engine.close()
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("calls", [[1] * 100, [99, 1], [7] * 14 + [2]])
def test_splitting_the_calls_changes_no_bit(calls, monkeypatch):
    monkeypatch.setattr(fused_engine, "CALL_SECONDS", 1e9)
    whole, split = make(num_envs=6), make(num_envs=6)
    expected = list(whole.iterate(100).episodes)
    episodes = [episode for count in calls for episode in split.iterate(count).episodes]
    for engine in (whole, split):
        engine.memory.progress["finished"] = 0
    assert everything(split) == everything(whole)
    assert episodes == expected
    assert split.updates == 100


def test_the_seed_decides_everything():
    first, same, other = (make(seed=seed) for seed in (5, 5, 6))
    for engine in (first, same, other):
        engine.iterate(20)
    assert everything(first) == everything(same)
    assert not torch.equal(state_of(first.network), state_of(other.network))
    streams = {int(number) for engine in (first, other) for number in engine.memory.environments["stream"]}
    assert len(streams) == 32


def test_it_stops_at_the_first_update_whose_mean_of_100_episodes_reaches_the_goal():
    watched, statistics = make(learning_rate=1e-3), EpisodeStatistics()
    while not statistics.reaches(60.0):  # judged update by update
        statistics.add(watched.iterate(1).episodes)
    engine = make(learning_rate=1e-3)
    seen = EpisodeStatistics()
    while not seen.reaches(60.0):
        seen.add(engine.iterate(10_000, goal=60.0).episodes)
    assert engine.updates == watched.updates
    assert torch.equal(state_of(engine.network), state_of(watched.network))


def test_it_does_not_stop_before_there_are_100_episodes():
    engine = make("MountainCar-v0", time_limit=5, num_envs=3, n_rollout=5, hidden_size=16)
    engine.iterate(1000, goal=-5.0)  # which is every return; what the window holds at first is more
    assert engine.updates == 34


def test_episodes_are_not_lost_where_there_is_little_room_for_them(monkeypatch):
    expected = list(make(num_envs=8).iterate(50).episodes)
    monkeypatch.setattr(fused_engine, "FINISHED", 0)
    engine = make(num_envs=8)
    episodes = []
    while engine.updates < 50:
        episodes += engine.iterate(50 - engine.updates).episodes
    assert episodes == expected
    assert len(episodes) > 80


def test_a_call_is_short(monkeypatch):
    monkeypatch.setattr(fused_engine, "CALL_SECONDS", 0.0)
    engine = make()
    engine.iterate(10**9)  # one call of the kernel
    assert 1 <= engine.updates <= engine._iterations_a_call < 10**4


def test_it_learns_and_without_a_step_size_does_not():
    engine, control = make(learning_rate=1e-3), make(learning_rate=1e-12)
    means = []
    for each in (engine, control):
        statistics = EpisodeStatistics()
        while each.env_steps < 100_000:
            statistics.add(each.iterate(1000).episodes)
        means.append(statistics.mean_return)
    assert means[0] > 150
    assert means[1] < 30
