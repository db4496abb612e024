"""Which engine and learner a run gets, and what it is told about them."""

import dataclasses
import re
from contextlib import closing

import pytest
import scripted_environments  # noqa: F401  (registers environments)
import torch
from support import SMALL

from vecac.config import Config
from vecac.engines.fused_engine import FusedEngine
from vecac.engines.gymnasium_engine import GymnasiumEngine
from vecac.engines.selection import make_engine, resolve
from vecac.environments.vector import Environments
from vecac.errors import UsageError
from vecac.kernels.environments.cartpole import CARTPOLE
from vecac.learners.compiled_learner import CompiledLearner
from vecac.learners.torch_learner import TorchLearner

CPU = torch.device("cpu")


def choose(**settings):
    config, lines = resolve(Config(**settings))
    return config.engine, config.learner, lines


@pytest.mark.parametrize(
    ("settings", "engine", "learner", "said"),
    [
        ({}, "fused", "compiled", "it is the fastest for these settings"),
        ({"env_id": "MountainCar-v0"}, "fused", "compiled", "it is the fastest for these settings"),
        ({"env_id": "Acrobot-v1"}, "fused", "compiled", "it is the fastest for these settings"),
        (
            {"env_id": "scripted_environments:Random-v0"},
            "sync",
            "compiled",
            "scripted_environments:Random-v0 has no compiled form",
        ),
        ({"env_id": "Pendulum-v1"}, "fused", "compiled", "it is the fastest for these settings"),
        ({"td_lambda": 0.5, "norm_obs": True}, "fused", "compiled", "it is the fastest for these settings"),
        ({"activation": "elu"}, "vector", "torch", "--engine fused needs --activation relu or tanh"),
        ({"learner": "torch"}, "vector", "torch", "--engine fused learns by itself"),
        ({"autoreset_mode": "disabled"}, "sync", "compiled", "needs --autoreset-mode next-step"),
        ({"device": "cuda"}, "vector", "torch", "--engine fused runs on the CPU"),
    ],
)
def test_engine_auto(settings, engine, learner, said):
    chosen, learnt_by, lines = choose(engine="auto", **settings)
    assert (chosen, learnt_by) == (engine, learner)
    assert lines[0].startswith(f"--engine auto: {engine}, since ")
    assert said in lines[0]


@pytest.mark.parametrize(
    ("settings", "learner", "said"),
    [
        ({}, "compiled", "it is the fastest on the CPU"),
        ({"engine": "async"}, "compiled", "it is the fastest on the CPU"),
        ({"td_lambda": 0.5}, "compiled", "it is the fastest on the CPU"),
        ({"hidden_sizes": (8, 8, 8)}, "torch", "--learner compiled needs one or two hidden layers"),
        (
            {"env_id": "space_environments:Switches-v0"},
            "torch",
            "the actions of space_environments:Switches-v0 are multi-binary",
        ),
        ({"device": "cuda"}, "torch", "--learner compiled runs on the CPU"),
    ],
)
def test_learner_auto(settings, learner, said):
    engine, chosen, lines = choose(**settings)
    assert (engine, chosen) == (settings.get("engine", "sync"), learner)
    assert lines == [f"--learner auto: {learner}, since {said}"]


@pytest.mark.parametrize("learner", ["torch", "compiled"])
def test_what_is_named_is_taken_without_a_word(learner):
    assert choose(learner=learner) == ("sync", learner, [])
    assert choose(engine="fused") == ("fused", "compiled", [])


def test_fused_without_a_compiled_form_is_refused():
    having = "Acrobot-v1, CartPole-v1, MountainCar-v0, MountainCarContinuous-v0, Pendulum-v1"
    with pytest.raises(UsageError, match=f"Random-v0 has no compiled form, as {having} have"):
        choose(engine="fused", env_id="scripted_environments:Random-v0")


@pytest.mark.parametrize(
    ("settings", "engine", "learner"),
    [
        ({"engine": "fused"}, FusedEngine, None),
        ({"learner": "compiled"}, GymnasiumEngine, CompiledLearner),
        ({"engine": "vector", "learner": "torch"}, GymnasiumEngine, TorchLearner),
    ],
)
def test_the_engine_is_what_was_resolved(settings, engine, learner):
    config, _ = resolve(Config(num_envs=2, **settings))
    with closing(make_engine(config, CPU, 1)) as made:
        assert type(made) is engine
        assert learner is None or type(made._learner) is learner
        made.reset()
        made.iterate(1)
        assert made.updates == 1


@pytest.mark.parametrize(
    ("name", "size", "shown"),
    [
        ("obs_size", 5, "5 numbers to observe and discrete actions of 2"),
        ("num_actions", 3, "4 numbers to observe and discrete actions of 3"),
        ("num_actions", (2, 3), "4 numbers to observe and multi-discrete actions of 2 x 3"),
    ],
)
def test_a_compiled_form_of_other_sizes_than_gymnasiums_is_refused(monkeypatch, name, size, shown):
    other = dataclasses.replace(CARTPOLE, **{name: size})
    monkeypatch.setattr("vecac.engines.capabilities.find", lambda env_id: other)
    having = "Gymnasium has 4 numbers to observe and discrete actions of 2"
    said = f"the compiled form of CartPole-v1 has {shown}, {having}"
    with pytest.raises(UsageError, match=f"^--engine fused cannot run this: {said}; use --engine auto"):
        choose(engine="fused")
    engine, _, lines = choose(engine="auto")
    assert engine == "vector"
    assert re.search(f"fused is out: {said}", lines[0])


@pytest.mark.parametrize("engine", ["fused", "sync"])
def test_a_standard_deviation_that_nothing_has_is_refused(engine):
    config, _ = resolve(Config(engine=engine, log_std_init=-1.0, num_envs=2))
    with pytest.raises(UsageError, match=r"^--log-std-init -1.0 does nothing: CartPole-v1 takes discrete"):
        make_engine(config, CPU, 1)


def test_the_time_limit_is_the_registered_one():
    sizes = {"num_envs": 1, "n_rollout": 200, **SMALL}
    config = Config(engine="fused", learner="compiled", env_id="MountainCar-v0", **sizes)
    with closing(make_engine(config, CPU, 1)) as made:
        made.reset()
        assert [episode.length for episode in made.iterate(1).episodes] == [200]


def test_environments_are_closed_where_no_learner_can_be_made(monkeypatch):
    closed = []
    monkeypatch.setattr("vecac.engines.selection.make_learner", lambda *_: 1 / 0)
    monkeypatch.setattr(Environments, "close", lambda environments: closed.append(environments.num_envs))
    with pytest.raises(ZeroDivisionError):
        make_engine(Config(learner="torch", num_envs=1), CPU, 1)
    assert closed == [1]


def test_a_deviation_where_no_action_has_one_is_refused():
    config = Config(log_std_init=1.0, learner="torch")
    with pytest.raises(UsageError, match=r"^--log-std-init 1.0 does nothing: CartPole-v1 takes discrete"):
        make_engine(config, CPU, 1)
    pendulum = dataclasses.replace(config, env_id="Pendulum-v1")
    with closing(make_engine(pendulum, CPU, 1)) as engine:
        assert engine.network.head.log_std.tolist() == [1.0]
