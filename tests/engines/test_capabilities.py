"""Which engine can run what, and why not: asked in one place."""

from types import SimpleNamespace
from typing import get_args, get_type_hints

import pytest
import scripted_environments  # noqa: F401  (registers environments)
from learner_support import discrete

from vecac.config import Config
from vecac.engines import capabilities
from vecac.engines.capabilities import REQUIREMENTS, VECTOR_FROM, Wish, fastest_engine, obstacle
from vecac.environments.vector import make_environments
from vecac.errors import UsageError

ENGINES = ("fused", "vector", "sync", "async")


def wish(**settings):
    return Wish(Config(**settings))


@pytest.mark.parametrize(
    ("settings", "engines"),
    [
        ({}, "fused vector sync async"),
        ({"env_id": "Acrobot-v1"}, "fused sync async"),
        ({"env_id": "scripted_environments:Random-v0"}, "sync async"),
        ({"env_id": "scripted_environments:VectorSameStep-v0"}, "vector"),
        ({"learner": "torch"}, "vector sync async"),
        ({"td_lambda": 0.5, "norm_obs": True}, "fused vector sync async"),
        ({"device": "cuda"}, "vector sync async"),
        ({"autoreset_mode": "same-step"}, "vector sync async"),
    ],
)
def test_who_can_run_it(settings, engines):
    asked = wish(**settings)
    assert [engine for engine in ENGINES if obstacle(f"--engine {engine}", asked) is None] == engines.split()


@pytest.mark.parametrize("env_id", ["Acrobot-v1", "scripted_environments:VectorSameStep-v0"])
@pytest.mark.parametrize("engine", ["vector", "sync"])
def test_environments_are_refused_for_the_same_reasons(env_id, engine):
    told = obstacle(f"--engine {engine}", wish(env_id=env_id))
    if told is None:
        return
    with pytest.raises(UsageError, match=rf"^--env-id {told}: use --engine (sync|vector)$"):
        make_environments(Config(env_id=env_id, engine=engine, num_envs=1))


def test_flags_that_kernels_could_only_ignore():
    deep = wish(hidden_sizes=(8, 8, 8))
    assert obstacle("--learner compiled", deep) == "--learner compiled needs one or two hidden layers"
    assert obstacle("--learner compiled", wish(device="cuda")) == "--learner compiled runs on the CPU"
    assert obstacle("--learner torch", wish(hidden_sizes=(8, 8, 8), device="cuda")) is None


@pytest.mark.parametrize(
    ("num_envs", "env_id", "engine"),
    [
        (VECTOR_FROM - 1, "CartPole-v1", "sync"),
        (VECTOR_FROM, "CartPole-v1", "vector"),
        (1, "scripted_environments:VectorSameStep-v0", "vector"),
        (16, "Acrobot-v1", "sync"),
        (VECTOR_FROM, "scripted_environments:OddForm-v0", "sync"),
    ],
)
def test_auto_takes_the_fastest_that_can(num_envs, env_id, engine):
    chosen, why = fastest_engine(wish(num_envs=num_envs, env_id=env_id, learner="torch"))
    assert chosen == engine
    assert why.startswith("it is the fastest for these settings; fused is out: ")


def test_auto_says_where_there_is_none():
    asked = wish(env_id="scripted_environments:Random-v0")
    asked.__dict__["spec"] = SimpleNamespace(id="No-v0", entry_point=None, vector_entry_point=None)
    with pytest.raises(UsageError, match=r"finds none; fused is out.*; vector is out.*; sync is out"):
        fastest_engine(asked)


@pytest.mark.parametrize("stands", [True, False])
def test_the_loss_is_asked_once_with_the_sizes_of_the_environment(monkeypatch, stands):
    asked = []
    monkeypatch.setattr(capabilities, "kernels_compute_td_py", lambda *args: asked.append(args) or stands)
    for env_id, sizes in (
        ("Acrobot-v1", (6, discrete(3), False)),
        ("scripted_environments:VectorSameStep-v0", (2, discrete(2), True)),
    ):
        mode = "next-step" if env_id == "Acrobot-v1" else "same-step"
        one = wish(env_id=env_id, engine="async", start_method="fork", autoreset_mode=mode)
        told = {obstacle("--learner compiled", one) for _ in range(2)}
        assert told == {None if stands else "the kernels compute another loss than vecac/algorithm/td.py"}
        assert asked == [(one.config, *sizes)]
        asked.clear()


def test_there_is_a_row_for_every_engine_and_learner():
    hints = get_type_hints(Config)
    choices = {f"--{field} {name}" for field in ("engine", "learner") for name in get_args(hints[field])}
    assert set(REQUIREMENTS) == choices - {"--engine auto", "--learner auto"}
