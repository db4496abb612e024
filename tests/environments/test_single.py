"""What the settings say about one copy of an environment, whichever backend makes it."""

from contextlib import closing

import numpy as np
import pytest

from vecac.actions import ActionForm
from vecac.config import Config
from vecac.environments.single import ask_single, factory
from vecac.environments.vector import make_environments
from vecac.errors import UsageError

N = 2


@pytest.mark.parametrize(
    ("env_id", "obs_size", "form"),
    [
        ("CartPole-v1", 4, ActionForm("discrete", (2,))),
        ("Pendulum-v1", 3, ActionForm("box", (1,))),
        ("FrozenLake-v1", 16, ActionForm("discrete", (4,))),
        ("Blackjack-v1", 32 + 11 + 2, ActionForm("discrete", (2,))),
        ("space_environments:Switches-v0", 5, ActionForm("multi-binary", (3,))),
    ],
)
def test_the_sizes_of_an_environment(env_id, obs_size, form):
    assert ask_single(Config(env_id=env_id))[2:] == (obs_size, form)


def test_a_wrapper_may_change_them():
    config = Config(wrapper=("gymnasium.wrappers:FrameStackObservation,stack_size=3",))
    assert ask_single(config)[2:] == (12, ActionForm("discrete", (2,)))


def test_a_copy_has_the_keywords_and_its_index():
    with closing(factory(Config(env_id="Pendulum-v1", env_kwargs={"g": 5.0}), 7)()) as env:
        assert env.unwrapped.g == 5.0
        with pytest.raises(Exception, match="environment 7"):
            env.step("nonsense")


@pytest.mark.parametrize("engine", ["sync", "async"])
@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"fault": "nan", "other": 1}, r"with --env-kwargs fault='nan' other=1: TypeError: .*'other'"),
        ({}, r"cannot be made: TypeError: .*'fault'"),
    ],
    ids=str,
)
def test_keywords_that_the_environment_does_not_know_are_named(engine, kwargs, said):
    config = Config(env_id="test_spaces:BrokenSensors-v0", num_envs=N, env_kwargs=kwargs, engine=engine)
    with pytest.raises(UsageError, match=said):
        make_environments(config)


@pytest.mark.parametrize("engine", ["sync", "async", "vector"])
def test_a_time_limit_takes_the_place_of_the_environments_own(engine):
    config = Config(num_envs=2, engine=engine, max_episode_steps=5)
    with closing(make_environments(config)) as environments:
        environments.reset()
        steps = [environments.step(np.array([t % 2, t % 2])) for t in range(5)]
        assert [step.truncated.all() for step in steps] == [False] * 4 + [True]


def test_a_vector_form_gets_the_keywords():
    config = Config(num_envs=2, engine="vector", env_kwargs={"sutton_barto_reward": True})
    with closing(make_environments(config)) as environments:
        environments.reset()
        assert environments.step(np.array([0, 1])).reward.tolist() == [0.0, 0.0]
