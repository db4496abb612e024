"""What an ended episode shows last takes no part in learning, whatever it is, where it is not asked for."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from vecac.config import Config
from vecac.engines.selection import make_engine

LARGEST = float(np.finfo(np.float32).max)  # hidden units that sum up several of it are infinite


class LastObsEnv(gym.Env):
    """Episodes of 1 to 9 steps that end, by a time limit or not, on an observation of its choice."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (5,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, last, terminates):
        self.last, self.terminates = last, terminates

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = self.np_random.integers(1, 10)
        return self.np_random.normal(size=5).astype(np.float32), {}

    def step(self, action):
        self.left -= 1
        obs = self.np_random.normal(size=5).astype(np.float32)
        reward, ended = float(obs[0] > 0) - float(action), bool(self.left == 0)
        if ended:
            obs[:] = self.last
        return obs, reward, ended and self.terminates, ended and not self.terminates, {}


for last in (0, LARGEST):
    for terminates in (True, False):
        name = f"{'Huge' if last else 'Zero'}{'Termination' if terminates else 'Truncation'}-v0"
        gym.register(name, LastObsEnv, kwargs={"last": last, "terminates": terminates})


def trained(env_id, **settings):
    """The parameters after 40 updates."""
    config = Config(env_id=env_id, num_envs=5, n_rollout=6, learning_rate=1e-2, **settings)
    engine = make_engine(config, torch.device("cpu"), 1)
    engine.reset()
    while engine.updates < 40:
        assert not engine.iterate(1).diverged
    engine.close()
    return torch.cat([parameter.detach().flatten() for parameter in engine.network.parameters()])


@pytest.mark.parametrize("mode", ["next-step", "same-step", "disabled"])
@pytest.mark.parametrize(("learner", "td_lambda"), [("compiled", 0.0), ("torch", 0.0), ("torch", 0.7)])
@pytest.mark.parametrize("end", ["Termination", "Truncation"])
def test_the_last_observation_changes_no_bit_where_nothing_is_bootstrapped(end, learner, td_lambda, mode):
    settings = {"learner": learner, "td_lambda": td_lambda, "autoreset_mode": mode}
    settings["bootstrap_truncated"] = end == "Termination"
    expected = trained(f"Zero{end}-v0", **settings)
    assert expected.isfinite().all()
    assert torch.equal(trained(f"Huge{end}-v0", **settings), expected)


def test_it_does_where_the_target_bootstraps_from_it():
    expected = trained("ZeroTruncation-v0")
    with pytest.raises(AssertionError, match="diverged"):
        assert torch.equal(trained("HugeTruncation-v0"), expected)
