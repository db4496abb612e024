"""Normalisation, against one pass of plain NumPy over the valid transitions in order."""

from contextlib import closing

import numpy as np
import pytest
import torch
from vector_support import MODES

from vecac.config import Config
from vecac.engines.selection import make_engine

UPDATES = 12
SETTINGS = {
    "env_id": "scripted_environments:Random-v0",
    "num_envs": 3,
    "n_rollout": 7,
    "learner": "torch",
    "norm_obs": True,
    "norm_reward": True,
    "hidden_sizes": (8,),
}


def trained(mode, **settings):
    """An engine after some updates, and for each of them the transitions of its rollout and the network's
    buffers when it was collected."""
    config = Config(**SETTINGS | settings, autoreset_mode=mode)
    seen = []
    with closing(make_engine(config, torch.device("cpu"), 1)) as engine:
        engine.reset()
        environments = engine.environments
        step = environments.step
        rollout = []
        environments.step = lambda action: rollout.append(step(action)) or rollout[-1]
        for _ in range(UPDATES):
            before = {name: tensor.clone() for name, tensor in engine.network.named_buffers()}
            engine.iterate(1)
            seen.append((before, list(rollout)))
            rollout.clear()
        return engine, seen, config


def discounted_returns(transitions, gamma, num_envs):
    """Of every valid transition, its environment's r + gamma * R so far, which a new episode restarts."""
    running, found = np.zeros(num_envs), []
    for step in transitions:
        for n in np.flatnonzero(step.valid):
            running[n] = float(step.reward[n]) + gamma * running[n]
            found.append(running[n])
            if step.terminated[n] or step.truncated[n]:
                running[n] = 0.0
    return np.array(found)


@pytest.mark.parametrize("mode", MODES)
def test_the_statistics_are_those_of_all_valid_transitions(mode):
    engine, seen, config = trained(mode)
    transitions = [step for _, rollout in seen for step in rollout]
    obs = np.concatenate([step.obs[step.valid] for step in transitions]).astype(np.float64)
    norm, moments = engine.network.obs_norm, engine.network.return_moments
    assert norm.count == moments.count == len(obs) == engine.env_steps
    assert np.allclose(norm.mean, obs.mean(axis=0), rtol=1e-10)
    assert np.allclose(norm.var, obs.var(axis=0), rtol=1e-10)
    returns = discounted_returns(transitions, config.gamma, config.num_envs)
    assert np.allclose(moments.mean, returns.mean(), rtol=1e-10)
    assert np.allclose(moments.var, returns.var(), rtol=1e-10)
    assert {
        (bool(t), bool(u)) for s in transitions for t, u in zip(s.terminated, s.truncated, strict=True)
    } == {(a, b) for a in (False, True) for b in (False, True)}


def test_they_stand_still_within_a_rollout():
    _, seen, _ = trained("next-step")
    counts = [before["obs_norm.count"].item() for before, _ in seen]
    valid = [sum(int(step.valid.sum()) for step in rollout) for _, rollout in seen]
    assert counts == [sum(valid[:index]) for index in range(UPDATES)]


@pytest.mark.parametrize("updates", [1, UPDATES])
def test_the_loss_sees_rewards_divided_by_the_deviation_that_counts_them_in(updates):
    """With gamma 0 a target is the reward alone."""
    config = {"gamma": 0.0, "reward_scale": 2.0, "num_envs": 1}
    _, seen, _ = trained("same-step", **config)
    rollouts = [[step.reward[0] for step in rollout] for _, rollout in seen[:updates]]
    expected = 2.0 * np.array(rollouts[-1]) / np.sqrt(np.var(np.concatenate(rollouts)) + 1e-8)
    with closing(
        make_engine(Config(**SETTINGS | config, autoreset_mode="same-step"), torch.device("cpu"), 1)
    ) as other:
        other.reset()
        for _ in range(updates):
            report = other.iterate(1)
    (block,) = report.last_update.blocks
    assert np.allclose(block.target_B, expected, rtol=1e-5)


def test_reported_returns_are_not_scaled():
    _, seen, config = trained("next-step")
    with closing(make_engine(Config(**config.to_dict()), torch.device("cpu"), 1)) as again:
        again.reset()
        episodes = [episode for _ in range(UPDATES) for episode in again.iterate(1).episodes]
    rewards = [step.reward[0] for _, rollout in seen for step in rollout if step.valid[0]]
    first = next(episode for episode in episodes if episode.environment == 0)
    assert first.episode_return == pytest.approx(sum(map(float, rewards[: first.length])))


def test_without_the_flags_a_network_has_no_buffers():
    engine, _, _ = trained("next-step", norm_obs=False, norm_reward=False)
    assert list(engine.network.buffers()) == []
