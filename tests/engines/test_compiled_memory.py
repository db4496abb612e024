"""What the fused engine keeps of a rollout, and when."""

import pytest
from fused_support import compiled_form
from support import SMALL

from vecac.config import Config
from vecac.engines.compiled_memory import allocate
from vecac.learners.kernel_parameters import KernelParameters
from vecac.seeding import seed_sequences


def memory_of(env_id, **settings):
    config, environment = Config(num_envs=3, n_rollout=5, **SMALL, **settings), compiled_form(env_id)
    seeds = seed_sequences(1)
    shared = KernelParameters(config, environment.obs_size, environment.action, seeds)
    return allocate(config, environment, shared, seeds)


@pytest.mark.parametrize(
    "settings", [{}, {"value_loss": "mse", "ent_coef": 0.1}, {"optimizer": "rmsprop", "gamma": 0.5}]
)
def test_one_pass_keeps_nothing(settings):
    assert memory_of("CartPole-v1", **settings).kept == ()


@pytest.mark.parametrize(
    "settings",
    [{"td_lambda": 0.1}, {"normalize_advantage": True}, {"norm_obs": True}, {"norm_reward": True}],
)
def test_what_looks_ahead_or_normalises_keeps_the_rollout(settings):
    kept = memory_of("CartPole-v1", **settings).kept
    assert kept.rollout.obs_SND.shape == (6, 3, 4)
    assert kept.rollout.valid_TN.all()
    assert isinstance(kept.moments, tuple) is not settings.get("norm_reward", False)


@pytest.mark.parametrize(
    ("env_id", "shape", "empty"),
    [("CartPole-v1", (5, 3, 1), 0), ("Pick-v0", (5, 3, 2), (0, 0)), ("Push-v0", (5, 3, 2), (0.0, 0.0))],
)
def test_an_action_has_the_form_that_the_environment_takes(env_id, shape, empty):
    memory = memory_of(env_id, norm_obs=True)
    assert memory.kept.rollout.action_TNU.shape == shape
    assert memory.blank.action == empty
    assert type(memory.blank.action) is type(empty)
    assert memory.blank.bounds_U2.tolist() == [list(pair) for pair in compiled_form(env_id).action_bounds]
