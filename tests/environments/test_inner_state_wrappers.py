"""Wrappers: whose memory is kept, who needs none, and who is named since it does not tell."""

from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces, wrappers
from scripted_environments import SavingEnv

from vecac.config import Config
from vecac.environments import inner_state
from vecac.environments.inner_state import WITHOUT_MEMORY, read_state, untold, write_state
from vecac.environments.vector import make_environments
from vecac.plain import to_arrays, to_tensors


class CountingWrapper(gym.Wrapper):
    """Remembers how often it was stepped, shows that, and tells of it."""

    def __init__(self, env):
        super().__init__(env)
        self.count = 0

    def step(self, action):
        self.count += 1
        obs, *rest = self.env.step(action)
        return obs + self.count, *rest

    def get_state(self):
        return {"count": self.count}

    def set_state(self, state):
        self.count = state["count"]


class SecretiveWrapper(gym.Wrapper):
    """Remembers who knows what."""


class ForwardingWrapper(SecretiveWrapper):
    """Hands on what is not its own."""

    def __getattr__(self, name):
        return getattr(self.env, name)


class ShownWrapper(SecretiveWrapper):
    """get_state and set_state that are something else: there is nothing to put back."""

    def get_state(self):
        return "green"

    def set_state(self):
        pass


class AskingWrapper(SecretiveWrapper):
    """As well, the other way round."""

    def get_state(self, of_what):
        return of_what

    def set_state(self, state):
        pass


class OpaqueWrapper(AskingWrapper):
    """Tells what no checkpoint holds."""

    def get_state(self):
        return object()


class ClipReward(SecretiveWrapper):
    """Not Gymnasium's of that name."""


class RandomLimit(wrappers.TimeLimit):
    """A time limit that remembers more than Gymnasium's."""


def wrapped_cartpole(*kinds):
    env = gym.make("CartPole-v1", disable_env_checker=True)
    for kind in kinds:
        env = kind(env)
    return env


def test_wrappers_that_tell_go_on_where_they_were():
    env, other = (wrapped_cartpole(CountingWrapper, CountingWrapper) for _ in range(2))
    env.reset(seed=1)
    other.reset(seed=2)
    env.env.count = 100  # so that it counts which state is whose
    for _ in range(5):
        env.step(0)
    state = to_arrays(to_tensors(read_state(env)))
    write_state(other, state)
    assert (other.count, other.env.count) == (5, 105)
    assert other.step(1)[0].tolist() == env.step(1)[0].tolist()


def test_each_time_limit_keeps_its_own_count():
    env, other = (wrappers.TimeLimit(wrappers.TimeLimit(SavingEnv(), 20), 50) for _ in range(2))
    env.reset(seed=1)
    other.reset(seed=1)
    for _ in range(3):
        env.step(4)
    env.env._elapsed_steps = 7
    write_state(other, read_state(env))
    assert (other._elapsed_steps, other.env._elapsed_steps) == (3, 7)


@pytest.mark.parametrize(
    ("kinds", "who"),
    [
        ((), None),
        ((CountingWrapper,), None),
        ((wrappers.FlattenObservation, CountingWrapper), None),
        ((SecretiveWrapper,), "SecretiveWrapper around CartPole-v1"),
        ((CountingWrapper, SecretiveWrapper, CountingWrapper), "SecretiveWrapper around CartPole-v1"),
        ((ShownWrapper,), "ShownWrapper around CartPole-v1"),
        ((AskingWrapper,), "AskingWrapper around CartPole-v1"),
        ((OpaqueWrapper,), "OpaqueWrapper around CartPole-v1"),
        ((ClipReward,), "ClipReward around CartPole-v1"),
        ((lambda env: RandomLimit(env, 9),), "RandomLimit around CartPole-v1"),
        ((lambda env: wrappers.FrameStackObservation(env, 2),), "FrameStackObservation around CartPole-v1"),
        ((wrappers.NormalizeObservation,), "NormalizeObservation around CartPole-v1"),
    ],
)
def test_who_does_not_tell_is_named(kinds, who):
    env = wrapped_cartpole(*kinds)
    env.reset(seed=1)
    assert untold(env) == who
    assert (read_state(env) is None) == (who is not None)


def test_what_a_wrapper_hands_on_is_not_its_own():
    env = ForwardingWrapper(SavingEnv())
    env.reset(seed=1)
    assert env.get_state() is not None
    assert untold(env) == "ForwardingWrapper around SavingEnv"


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_a_run_is_told_who_does_not_tell(engine):
    stack = "gymnasium.wrappers:FrameStackObservation,stack_size=2"
    for wrapper, who in (((), None), ((stack,), "FrameStackObservation around CartPole-v1")):
        config = Config(num_envs=2, engine=engine, wrapper=wrapper)
        with closing(make_environments(config)) as environments:
            environments.reset()
            assert environments.caveats()[0] == who
            assert (environments.state() is None) == (who is not None)


class DrawingEnv(SavingEnv):
    """Twelve numbers in [0, 1) and a reward, which its actions move."""

    observation_space = spaces.Box(0, 2, (12,), np.float64)
    action_space = spaces.Box(0, 1, (1,), np.float64)

    def reset(self, **options):
        super().reset(**options)
        return self.np_random.random(12), {}

    def step(self, action):
        *_, terminated, truncated, info = super().step(4)
        return (
            self.np_random.random(12) + action,
            self.np_random.normal() + action[0],
            terminated,
            truncated,
            info,
        )


def picture(obs):
    return np.uint8(100 * obs.reshape(2, 2, 3))


def pictures(env):
    return wrappers.TransformObservation(env, picture, spaces.Box(0, 255, (2, 2, 3), np.uint8))


def tuples(env):
    of_space = spaces.Dict({"a": env.observation_space, "b": env.observation_space})
    return wrappers.TransformObservation(env, lambda obs: {"a": obs, "b": -obs}, of_space)


FORGETFUL = {
    "OrderEnforcing": wrappers.OrderEnforcing,
    "PassiveEnvChecker": wrappers.PassiveEnvChecker,
    "RecordEpisodeStatistics": wrappers.RecordEpisodeStatistics,
    "DiscretizeObservation": lambda env: wrappers.DiscretizeObservation(env, 2),
    "DtypeObservation": lambda env: wrappers.DtypeObservation(env, np.float32),
    "FilterObservation": lambda env: wrappers.FlattenObservation(
        wrappers.FilterObservation(tuples(env), ["b"])
    ),
    "FlattenObservation": lambda env: wrappers.FlattenObservation(tuples(env)),
    "GrayscaleObservation": lambda env: wrappers.GrayscaleObservation(pictures(env)),
    "RescaleObservation": lambda env: wrappers.RescaleObservation(env, -1, 1),
    "ReshapeObservation": lambda env: wrappers.ReshapeObservation(env, (3, 4)),
    "TransformObservation": lambda env: wrappers.TransformObservation(env, np.negative, None),
    "ClipAction": wrappers.ClipAction,
    "DiscretizeAction": lambda env: wrappers.DiscretizeAction(env, 5),
    "RepeatAction": lambda env: wrappers.RepeatAction(env, 2),
    "RescaleAction": lambda env: wrappers.RescaleAction(env, -1, 1),
    "TransformAction": lambda env: wrappers.TransformAction(env, np.square, None),
    "ClipReward": lambda env: wrappers.ClipReward(env, -0.5, 0.5),
    "TransformReward": lambda env: wrappers.TransformReward(env, np.negative),
}
MINDFUL = {
    "DelayObservation": lambda env: wrappers.DelayObservation(env, 3),
    "FrameStackObservation": lambda env: wrappers.FrameStackObservation(env, 3),
    "NormalizeObservation": wrappers.NormalizeObservation,
    "NormalizeReward": wrappers.NormalizeReward,
    "TimeAwareObservation": lambda env: wrappers.TimeAwareObservation(wrappers.TimeLimit(env, 99)),
    "StickyAction": lambda env: wrappers.StickyAction(env, 0.9),
}


def goes_on_alike(kind):
    """Whether two environments take the same steps over some episodes, once one has the other's state."""
    env, other = kind(DrawingEnv()), kind(DrawingEnv())
    for one, count in ((env, 40), (other, 7)):
        one.reset(seed=count)
        one.action_space.seed(count)
        rows(one, [one.action_space.sample() for _ in range(count)])
    write_state(other, to_arrays(to_tensors(read_state(env))))
    actions = [env.action_space.sample() for _ in range(60)]
    return rows(env, actions) == rows(other, actions)


def rows(env, actions):
    shown = []
    for action in actions:
        obs, reward, terminated, truncated, _ = env.step(action)
        shown.append((np.asarray(obs).tolist(), float(reward), terminated, truncated))
        if terminated or truncated:
            shown.append(np.asarray(env.reset()[0]).tolist())
    return shown


@pytest.mark.parametrize("name", sorted(WITHOUT_MEMORY))
def test_wrappers_without_memory_have_none(name):
    assert goes_on_alike(FORGETFUL[name])


@pytest.mark.parametrize("name", MINDFUL)
def test_the_others_are_missed(name, monkeypatch):
    assert read_state(MINDFUL[name](DrawingEnv())) is None
    monkeypatch.setattr(inner_state, "WITHOUT_MEMORY", WITHOUT_MEMORY | {name})
    assert not goes_on_alike(MINDFUL[name])
