from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
from scripted_environments import CountingEnv
from vector_support import BACKENDS

from vecac.config import Config
from vecac.environments.vector import make_environments
from vecac.environments.wrapping import wrapped
from vecac.errors import UsageError

SCALE, STACK = "test_wrapping:Scale,by=10", "gymnasium.wrappers:FrameStackObservation,stack_size=3"


class Scale(gym.ObservationWrapper):
    """Observations times a factor."""

    def __init__(self, env, by):
        super().__init__(env)
        self.by = np.float32(by)

    def observation(self, observation):
        return observation * self.by


class Raising(gym.Wrapper):
    def __init__(self, env):
        raise KeyError("no such thing")


def leaving(env):
    raise SystemExit(7)


def nothing(env):
    return "no environment"


NO_WRAPPER = 5


def test_the_first_is_the_innermost():
    env = wrapped(CountingEnv(), (SCALE, STACK))
    assert isinstance(env, gym.wrappers.FrameStackObservation)
    assert isinstance(env.env, Scale)
    flat = wrapped(CountingEnv(), (STACK, "gymnasium.wrappers:FlattenObservation"))
    assert flat.observation_space.shape == (6,)


@pytest.mark.parametrize("backend", BACKENDS, ids=str)
def test_every_backend_has_them_around_each_copy(backend):
    config = Config(env_id="scripted_environments:Counting-v0", num_envs=2, wrapper=(SCALE, STACK), **backend)
    with closing(make_environments(config)) as environments:
        assert environments.reset().tolist() == [[0.0] * 6] * 2  # the first frame, three times
        environments.step(np.zeros(2, np.int64))
        step = environments.step(np.zeros(2, np.int64))
    assert step.obs.tolist() == [[0.0, 0.0, 0.0, 0.0, 0.0, 10.0]] * 2
    assert step.next_obs.tolist() == [[0.0, 0.0, 0.0, 10.0, 0.0, 20.0]] * 2


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Scale", "write module:Wrapper or module:Wrapper,name=value"),
        ("a b:Scale", "write module:Wrapper or"),
        (":Scale", "write module:Wrapper or"),
        ("nowhere:Scale", "nowhere:Scale cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("test_wrapping:Nothing", "test_wrapping:Nothing cannot be imported: AttributeError"),
        ("test_wrapping:Scale", "cannot be put around: TypeError: Scale.__init__() missing 1 required"),
        ("test_wrapping:Scale,by=ten", "is not written as name=value with a Python literal"),
        ("test_wrapping:Scale,by=10,to=3", "cannot be put around: TypeError"),
        ("test_wrapping:Raising", "cannot be put around: KeyError: 'no such thing'"),
        ("test_wrapping:leaving", "cannot be put around: SystemExit: 7"),
        ("test_wrapping:nothing", "makes no environment, but str"),
        ("test_wrapping:NO_WRAPPER", "test_wrapping:NO_WRAPPER is no wrapper"),
    ],
)
def test_what_cannot_be_put_around_is_named(written, said):
    with pytest.raises(UsageError) as caught:
        wrapped(CountingEnv(), [written])
    assert str(caught.value).startswith(f"--wrapper {written}")
    assert said in str(caught.value)


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_a_space_that_a_wrapper_makes_unusable_is_named_with_it(engine):
    config = Config(env_id="CartPole-v1", engine=engine, wrapper=("test_wrapping:Textual",))
    with pytest.raises(UsageError, match=r"^--env-id CartPole-v1 in test_wrapping:Textual has the observ"):
        make_environments(config)


class Textual(gym.ObservationWrapper):
    observation_space = gym.spaces.Text(10)

    def observation(self, observation):
        return str(observation)
