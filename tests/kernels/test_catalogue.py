import gymnasium as gym
import pytest
from kernel_support import LINE

from vecac.environments.action_space import action_form
from vecac.kernels import catalogue


@pytest.mark.parametrize("env_id", catalogue.registered())
def test_sizes_are_those_of_gymnasiums_spaces(env_id):
    environment = catalogue.find(env_id)
    env = gym.make(env_id)
    assert environment.obs_size == env.observation_space.shape[0]
    assert environment.action == action_form(env_id, env.action_space)
    for u, (low, high) in enumerate(environment.action_bounds):
        assert (env.action_space.low[u], env.action_space.high[u]) == (low, high)
    state = environment.reset((0.5,) * environment.num_uniforms)
    assert len(state) == environment.state_size
    assert len(environment.observe(state)) == environment.obs_size


def test_a_user_adds_an_environment_of_their_own(monkeypatch):
    monkeypatch.setattr(catalogue, "_ENVIRONMENTS", dict(catalogue._ENVIRONMENTS))
    assert catalogue.find("Line-v0") is None
    catalogue.register("Line-v0", LINE)
    assert catalogue.find("Line-v0") is catalogue.find("kernel_support:Line-v0") is LINE
    assert catalogue.registered()[:3] == ["Acrobot-v1", "CartPole-v1", "Line-v0"]
