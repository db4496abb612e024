import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import flatten
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

import vecac
from vecac.config import Config
from vecac.engines.evaluation import evaluate, make_evaluation_environments
from vecac.errors import UsageError
from vecac.recording import checkpoint
from vecac.runs.saved_policy import load_policy
from vecac.seeding import seed_sequences
from vecac.train import train

ENVIRONMENTS = {
    "space_environments:Sensors-v0": {"norm_obs": True},
    "space_environments:Switches-v0": {},
    "space_environments:Lever-v0": {"norm_obs": True, "log_std_init": 1.0},
    "space_environments:Match-v0": {"env_kwargs": {"kind": "discrete"}, "total_timesteps": 4000},
    "CartPole-v1": {"engine": "vector", "num_envs": 8},
}


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def run_dir(request, tmp_path_factory):
    settings = {
        "num_envs": 4,
        "hidden_sizes": (24,),
        "learner": "torch",
        "learning_rate": 1e-2,
        "reward_scale": 1.0,
    } | ENVIRONMENTS[request.param]
    folder = str(tmp_path_factory.mktemp("logs"))
    config = Config(env_id=request.param, total_timesteps=40, eval_episodes=0, log_dir=folder, quiet=True)
    run_dir = train(Config(**{**config.to_dict(), **settings})).run_dir
    path = run_dir / "checkpoints" / "latest.pt"
    if "total_timesteps" in settings:  # it has learned to tell observations apart
        return run_dir
    content = checkpoint.load(path)
    weight = content["network"]["fc_pi.weight"]
    weight.copy_(
        0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(4))
    )  # varied actions
    content["network"]["fc_pi.bias"].zero_()
    checkpoint.save(path, content)
    return run_dir


def observations(run_dir, count):
    """The policy's environment, and observations of it as it shows them."""
    config = load_policy(run_dir).config
    env = gym.make(config.env_id, **config.env_kwargs)
    env.reset(seed=1)
    env.observation_space.seed(1)
    return env, [env.observation_space.sample() for _ in range(count)]


def stacked(space, obs):
    """As a vector environment shows them."""
    batch = concatenate(space, obs, create_empty_array(space, len(obs)))
    assert batch_space(space, len(obs)).contains(batch)
    return batch


def test_single_and_batched_observations_get_the_actions_of_the_network(run_dir):
    policy, network = vecac.load(run_dir), load_policy(run_dir).network
    env, obs = observations(run_dir, 50)
    rows = torch.from_numpy(np.stack([flatten(env.observation_space, one) for one in obs]).astype(np.float32))
    with torch.no_grad():
        outputs = network.policy(rows)
    greedy = network.head.greedy(outputs).numpy()
    space = env.action_space
    expected = greedy.reshape(len(obs), *space.shape).astype(space.dtype) + getattr(space, "start", 0)
    if isinstance(space, gym.spaces.Box):
        expected = np.clip(expected, space.low, space.high)
        assert not np.array_equal(expected.ravel(), greedy.ravel())  # some of them had to be clipped
    actions = policy(stacked(env.observation_space, obs))
    np.testing.assert_allclose(actions, expected, rtol=1e-5)
    assert len(np.unique(actions, axis=0)) > 1
    for one, action in zip(obs, actions, strict=True):
        (alone,) = policy(one)
        np.testing.assert_allclose(alone, action, rtol=1e-5)
        assert space.contains(alone)
        env.step(alone)


def test_sampled_actions_are_the_seeds(run_dir):
    env, obs = observations(run_dir, 200)
    batch = stacked(env.observation_space, obs)
    drawn = [vecac.load(run_dir, sampled=True, seed=seed)(batch) for seed in (1, 1, 2)]
    assert np.array_equal(drawn[0], drawn[1])
    if "Match" in load_policy(run_dir).config.env_id:
        return  # it has learned to be all but sure, so that other draws need not differ
    assert not np.array_equal(drawn[0], drawn[2])
    policy = vecac.load(run_dir, seed=1)
    assert np.array_equal(policy(batch, sampled=True), drawn[0])
    assert not np.array_equal(policy(batch, sampled=True), drawn[0])  # the next draws
    assert not np.array_equal(
        vecac.load(run_dir, sampled=True)(batch), vecac.load(run_dir, sampled=True)(batch)
    )
    assert np.array_equal(policy(batch), vecac.load(run_dir, sampled=True)(batch, sampled=False))


def test_it_plays_as_the_evaluation_does(tmp_path):
    config = Config(total_timesteps=3000, num_envs=4, learning_rate=1e-2, log_dir=str(tmp_path), quiet=True)
    run_dir = train(config).run_dir
    saved, policy = load_policy(run_dir, "latest"), vecac.load(run_dir, "latest")
    environments = make_evaluation_environments(config, 3)
    played = evaluate(saved.network, environments, 3, sampled=False, sequence=seed_sequences(1).evaluation)
    obs, episode_return = environments.reset(), 0.0
    while True:
        step = environments.step(policy(obs))
        episode_return += step.reward[0]
        obs = environments.obs
        if step.terminated[0] or step.truncated[0]:
            break
    environments.close()
    assert episode_return in played.returns


def test_a_checkpoints_file_is_enough(run_dir, tmp_path):
    file = tmp_path / "mine.pt"
    file.write_bytes((run_dir / "checkpoints" / "latest.pt").read_bytes())
    env, obs = observations(run_dir, 5)
    batch = stacked(env.observation_space, obs)
    assert np.array_equal(vecac.load(str(file))(batch), vecac.load(str(run_dir), "latest")(batch))
    with pytest.raises(UsageError, match=r"mine.pt is a checkpoint already: leave --checkpoint latest out"):
        vecac.load(file, "latest")


BAD = {
    "space_environments:Sensors-v0": [
        {"gear": 1},
        [1, 2],
        {"gear": 0, "pair": (np.zeros((2, 2)), np.zeros(2, np.int8)), "dials": np.zeros(2, int)},
        {"gear": [1, 2], "pair": (np.zeros((2, 2)), np.zeros(2, np.int8)), "dials": np.zeros(2, int)},
        {"gear": 1, "pair": np.zeros((2, 2)), "dials": np.zeros(2, int)},
    ],
    "space_environments:Switches-v0": [5, [[1]], "one", None],
    "CartPole-v1": [np.zeros(3), np.zeros((2, 5)), np.zeros((1, 2, 4)), [0, 0, np.nan, 0], {"x": 1}, 1.0],
}


def test_what_is_no_observation_is_refused(run_dir):
    policy = vecac.load(run_dir)
    for obs in BAD.get(policy.saved.config.env_id, []):
        with pytest.raises(ValueError, match="these are no observations of "):
            policy(obs)


@pytest.mark.parametrize("seed", [-1, 1.5, "a"])
def test_a_seed_that_is_none(run_dir, seed):
    with pytest.raises(UsageError, match=r"^seed must be a whole number, 0 or more, or None, not "):
        vecac.load(run_dir, seed=seed)


def test_an_environment_that_has_changed_is_refused(run_dir):
    saved = load_policy(run_dir)
    saved.network.spec.__dict__["obs_size"] = 77
    with pytest.raises(UsageError, match=r"has 77 numbers an observation and .*, the environment now has "):
        vecac.runs.loaded_policy.Policy(saved)


def test_importing_vecac_imports_no_torch():
    code = "import sys, vecac; assert vecac.load; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
