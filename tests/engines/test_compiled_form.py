"""A compiled environment that is not Gymnasium's by the same name is refused, where they can be compared."""

import dataclasses
import math

import gymnasium as gym
import kernel_support
import numpy as np
import pytest
import torch
from kernel_support import LINE, PICK, PUSH, LineEnv, PushEnv
from support import SMALL, explained, run

from vecac.config import Config
from vecac.engines.compiled_form import require_same_steps
from vecac.engines.selection import make_engine
from vecac.errors import UsageError
from vecac.kernels.catalogue import find, registered
from vecac.kernels.environments.acrobot import ACROBOT
from vecac.kernels.environments.cartpole import CARTPOLE
from vecac.kernels.environments.mountain_car import MOUNTAIN_CAR


class HiddenLineEnv(LineEnv):
    """Keeps its state elsewhere, and has another under the name `state`."""

    state = (7.0, 7.0)

    def reset(self, *, seed=None, options=None):
        gym.Env.reset(self, seed=seed)
        self.hidden = self.first()
        return np.array(kernel_support.observe(self.hidden), np.float32), {}

    def first(self):
        return kernel_support.reset((self.np_random.uniform(),))

    def step(self, action):
        self.hidden, reward, terminated = kernel_support.step(self.hidden, action)
        return np.array(kernel_support.observe(self.hidden), np.float32), reward, terminated, False, {}


class ElsewhereLineEnv(HiddenLineEnv):
    """Begins elsewhere than the compiled form, and does not tell where."""

    def first(self):
        return 0.25, 3.0


class TellingLineEnv(ElsewhereLineEnv):
    """Tells."""

    def get_state(self):
        return list(self.hidden)

    def set_state(self, state):
        self.hidden = tuple(state)


class MeaningLineEnv(HiddenLineEnv):
    """Tells its state in another order, and has the first state of the episode, or no number, by the name."""

    def reset(self, *, seed=None, options=None):
        obs, info = super().reset(seed=seed)
        self.state = self.hidden if seed % 2 else (float("nan"),) * 2
        return obs, info

    def get_state(self):
        return self.hidden[::-1]

    def set_state(self, state):
        self.hidden = tuple(state[::-1])


class ChaosEnv(HiddenLineEnv):
    """A logistic map in float32, seen as the difference of large numbers too."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def first(self):
        return (np.float32(self.np_random.uniform()),)

    def reset(self, *, seed=None, options=None):
        gym.Env.reset(self, seed=seed)
        self.hidden = self.first()
        return self.shown(), {}

    def step(self, action):
        (x,) = self.hidden
        self.hidden = (np.float32(3.9) * x * (np.float32(1) - x),)
        return self.shown(), 0.0, False, False, {}

    def shown(self):
        return np.array([self.hidden[0], (self.hidden[0] + np.float32(10)) - np.float32(10)], np.float32)


def logistic_step(state, action):
    return (3.9 * state[0] * (1.0 - state[0]),), 0.0, False


CHAOS = dataclasses.replace(
    LINE,
    reset=lambda uniforms: (uniforms[0],),
    step=logistic_step,
    observe=lambda state: (state[0], state[0]),
    state_size=1,
    obs_size=2,
)


for env_class in (MeaningLineEnv, ChaosEnv, HiddenLineEnv, TellingLineEnv, ElsewhereLineEnv):
    gym.register(env_class.__name__.replace("Env", "-v0"), env_class, max_episode_steps=6)

COMPARABLE = ("Line-v0", "HiddenLine-v0", "TellingLine-v0")


def compare(env_id, environment):
    functions = environment.reset, environment.step, environment.observe
    require_same_steps(Config(env_id=env_id), environment, functions)


def is_taken(env_id, environment):
    try:
        compare(env_id, environment)
    except UsageError:
        return False
    return True


def changed(environment, what):
    """The environment with a mistake in it."""

    def step(state, action):
        after, reward, terminated = environment.step(state, action)
        if what == "state":
            after = (after[0] + 1e-4, *after[1:])
        return after, reward + 1e-3 * (what == "reward"), terminated or (what == "end" and after[0] > -0.45)

    def observe(state):
        return (environment.observe(state)[0] + 1e-4, *environment.observe(state)[1:])

    return dataclasses.replace(
        environment, step=step, **{"observe": observe} if what == "observation" else {}
    )


@pytest.mark.parametrize("env_id", [*registered(), *COMPARABLE, "ElsewhereLine-v0", "MeaningLine-v0"])
def test_the_right_form_is_taken(env_id):
    assert is_taken(env_id, find(env_id) or LINE)


@pytest.mark.parametrize(("env_id", "environment"), [("Push-v0", PUSH), ("Pick-v0", PICK)])
def test_so_it_is_with_actions_of_several_numbers(env_id, environment):
    assert is_taken(env_id, environment)
    for what in ("state", "reward", "end"):
        with pytest.raises(UsageError, match=r"after action \(.+, .+\) in the state \(.*make them one"):
            compare(env_id, changed(environment, what))


def test_bounds_are_compared_as_float32_rounds_them(monkeypatch):
    bounds = ((-0.1, 0.1), (-math.pi, math.pi))
    low, high = np.array(bounds).T
    monkeypatch.setattr(PushEnv, "action_space", gym.spaces.Box(low, high, dtype=np.float64))
    assert is_taken("Push-v0", dataclasses.replace(PUSH, action_bounds=bounds))


def test_other_bounds_of_actions_are_refused():
    wider = dataclasses.replace(PUSH, action_bounds=((-1.0, 1.5), (-0.5, 1.0)))
    shown = r"\[\[-1.0, 1.5\], \[-0.5, 1.0\]\], those of .*, \[-0.5, inf\]\]: make them one"
    with pytest.raises(UsageError, match=f"^--env-id Push-v0: the actions .* bounds {shown}"):
        compare("Push-v0", wider)


def test_rounding_that_grows_is_not_held_against_a_form():
    assert is_taken("Chaos-v0", CHAOS)
    other = dataclasses.replace(CHAOS, step=lambda s, a: ((3.8 * s[0] * (1.0 - s[0]),), 0.0, False))
    assert not is_taken("Chaos-v0", other)


@pytest.mark.parametrize("what", ["state", "reward", "end"])
@pytest.mark.parametrize(
    ("env_id", "environment"),
    [
        ("Acrobot-v1", ACROBOT),
        ("CartPole-v1", CARTPOLE),
        ("MountainCar-v0", MOUNTAIN_CAR),
        *((env_id, LINE) for env_id in COMPARABLE),
    ],
)
def test_a_form_that_steps_otherwise_is_refused(env_id, environment, what):
    with pytest.raises(
        UsageError, match=rf"^--env-id {env_id}: after action \d in the state \(.*make them one"
    ):
        compare(env_id, changed(environment, what))


def test_a_form_that_shows_something_else_is_refused():
    with pytest.raises(UsageError, match="after action"):
        compare("CartPole-v1", changed(CARTPOLE, "observation"))


def test_where_no_state_is_known_to_both_nothing_is_compared():
    assert is_taken("ElsewhereLine-v0", changed(LINE, "reward"))


def test_what_a_compiled_form_raises_is_left_to_the_run():
    def step(state, action):
        raise ValueError

    assert is_taken("Line-v0", dataclasses.replace(LINE, step=step))


def test_rounding_to_float32_is_not_held_against_a_form():
    def step(state, action):
        (a, b), reward, terminated = LINE.step(state, action)
        return (float(np.float32(a)), b), float(np.float32(reward)), terminated

    assert is_taken("HiddenLine-v0", dataclasses.replace(LINE, step=step))


def test_an_engine_is_not_made_of_another_environments_form(monkeypatch):
    monkeypatch.setattr("vecac.engines.selection.find", lambda env_id: LINE)
    config = Config(env_id="Line-v0", engine="fused", learner="compiled", **SMALL)
    make_engine(config, torch.device("cpu"), 1).close()
    heavy = dataclasses.replace(LINE, step=heavier_step)
    monkeypatch.setattr("vecac.engines.selection.find", lambda env_id: heavy)
    with pytest.raises(UsageError, match="its compiled form has the observation, reward and termination"):
        make_engine(config, torch.device("cpu"), 1)


def heavier_step(state, action):
    position, steps = state
    position = position + 0.29 * (action - 1) + 0.05
    return (position, steps + 1.0), 10.0 * position, math.fabs(position) > 1.0


MINE = """
import far
import gymnasium as gym
import numpy as np
from vecac.kernels.catalogue import register
from vecac.kernels.environment import CompiledEnvironment

def reset(uniforms):
    return 0.0, 0.0

def step(state, action):
    return (state[0] + 1.0, 0.0), REWARD, state[0] >= 9.0

def observe(state):
    return state

REWARD = far.REWARD

class Mine(gym.Env):
    observation_space, action_space = gym.spaces.Box(0, 99, (2,), np.float32), gym.spaces.Discrete(2)
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0.0
        return np.zeros(2, np.float32), {}
    def step(self, action):
        self.steps += 1.0
        return np.array([self.steps, 0.0], np.float32), GYM, self.steps >= 10.0, False, {}

GYM = far.REWARD

gym.register("Mine-v0", Mine)
form = CompiledEnvironment(reset, step, observe, num_uniforms=1, state_size=2, obs_size=2, num_actions=2)
register("Mine-v0", form)
"""


def test_training_and_evaluation_are_of_one_environment_whatever_changed(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    arguments = (
        "-B",
        "-m",
        "vecac.train",
        "--env-id",
        "mine:Mine-v0",
        "--engine",
        "fused",
        "--log-dir",
        tmp_path,
    )
    arguments += ("--total-timesteps", "3000", "--eval-episodes", "2")
    (tmp_path / "mine.py").write_text(MINE)
    for reward in (1.0, 5.0):
        (tmp_path / "far.py").write_text(f"REWARD = {reward}")
        code, stdout, stderr = run(*arguments)
        assert (code, stderr) == (0, "")
        assert f"greedy {10 * reward:.1f}" in stdout
        csv = sorted(tmp_path.glob("mine-*/progress.csv"))[-1].read_text()
        assert csv.splitlines()[-1].startswith(f"{10 * reward},")
    (tmp_path / "mine.py").write_text(MINE.replace("GYM = far.REWARD", "GYM = 2.0"))
    assert "after action" in explained(*run(*arguments, "--quiet"))
