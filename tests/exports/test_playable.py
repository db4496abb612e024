import numpy as np
import pytest
import torch

from vecac.config import Config
from vecac.exports.playable import PlayablePolicy
from vecac.runs.saved_policy import load_policy
from vecac.train import train


@pytest.mark.parametrize(
    ("env_id", "names", "action", "dtype"),
    [
        ("CartPole-v1", ["action", "logits", "value"], (3,), torch.int64),
        ("Pendulum-v1", ["action", "mean", "std", "value"], (3, 1), torch.float32),
        ("space_environments:Lever-v0", ["action", "mean", "std", "value"], (3, 1, 2), torch.float64),
        ("space_environments:Sensors-v0", ["action", "logits", "value"], (3, 2), torch.int64),
    ],
)
def test_what_it_gives_is_as_the_environment_takes_it(env_id, names, action, dtype, tmp_path):
    settings = {"env_id": env_id, "total_timesteps": 40, "num_envs": 2, "eval_episodes": 0, "quiet": True}
    settings["learner"] = "torch"
    saved = load_policy(train(Config(**settings, log_dir=str(tmp_path))).run_dir)
    policy = PlayablePolicy(saved)
    found = policy(torch.full((3, saved.network.spec.obs_size), 50.0))
    assert list(found) == names
    assert (found["action"].shape, found["action"].dtype, found["value"].shape) == (action, dtype, (3,))
    if "std" in names:
        np.testing.assert_allclose(found["std"].detach(), saved.network.head.log_std.exp().detach())
        assert (found["action"] >= policy.low).all()
        assert (found["action"] <= policy.high).all()
