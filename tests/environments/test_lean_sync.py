from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from vecac.environments.lean_sync import LeanSyncVectorEnv


def steps(vector_class, env_id, mode):
    envs = vector_class([partial(gym.make, env_id)] * 3, copy=False, autoreset_mode=mode)
    rng = np.random.default_rng(0)
    rows = [envs.reset(seed=[1, 2, 3])[0].copy()]
    for t in range(300):
        action = rng.integers(0, envs.single_action_space.n, 3)
        obs, reward, terminated, truncated, _ = envs.step(action)
        rows.append([obs.copy(), reward.copy(), terminated.copy(), truncated.copy()])
        if mode is AutoresetMode.DISABLED and (terminated | truncated).any():
            rows.append(envs.reset(options={"reset_mask": terminated | truncated})[0].copy())
        if t == 150:
            rows.append(envs.reset(seed=[4, 5, 6])[0].copy())
    envs.close()
    return rows


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("env_id", ["CartPole-v1", "scripted_environments:Endless-v0"])
def test_it_hands_out_what_gymnasiums_own_does(env_id, mode):
    """The first ends its episodes, the second is cut off by a time limit."""
    lean, own = steps(LeanSyncVectorEnv, env_id, mode), steps(SyncVectorEnv, env_id, mode)
    for left, right in zip(lean, own, strict=True):
        assert all(map(np.array_equal, left, right))


def test_an_error_leaves_through_step():
    envs = LeanSyncVectorEnv([partial(gym.make, "support:Raising-v0")] * 2)
    envs.reset(seed=0)
    with pytest.raises(ZeroDivisionError):
        for _ in range(3):
            envs.step(np.zeros(2, np.int64))
