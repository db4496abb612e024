"""Exact resume, engine by engine: what a checkpoint brings back goes on as if nothing had happened."""

import math
from contextlib import closing, contextmanager

import numpy as np
import pytest
import torch
from support import bits, saved

from vecac.config import Config
from vecac.engines import gymnasium_engine
from vecac.engines.selection import make_engine
from vecac.errors import EnvironmentFault

SIZES = {"num_envs": 5, "n_rollout": 4, "learning_rate": 1e-2, "anneal_lr": True, "total_timesteps": 4000}
SCRIPTED = "scripted_environments:"
CASES = [
    {"engine": engine, "learner": learner, **options}
    for learner in ("torch", "compiled")
    for engine, options in [
        ("sync", {}),
        ("sync", {"autoreset_mode": "same-step"}),
        ("sync", {"autoreset_mode": "disabled"}),
        ("sync", {"env_id": "Acrobot-v1"}),
        ("sync", {"env_id": "MountainCar-v0", "num_envs": 2}),
        ("sync", {"env_id": SCRIPTED + "Saving-v0"}),
        ("async", {"env_id": SCRIPTED + "Saving-v0", "shared_memory": False, "num_envs": 2}),
        ("async", {"num_envs": 2, "autoreset_mode": "same-step"}),
        ("async", {"num_envs": 2}),
        ("vector", {}),
    ]
]
NORMALISED = {"norm_obs": True, "norm_reward": True, "normalize_advantage": True, "hidden_sizes": (8, 8)}
CASES += [
    {"engine": engine, "learner": "torch", "env_id": f"space_environments:{name}-v0", **options, **NORMALISED}
    for name, engine, options in [
        ("Sensors", "sync", {"optimizer": "rmsprop", "td_lambda": 0.9}),
        ("Switches", "sync", {"autoreset_mode": "disabled", "separate_critic": True}),
        ("Lever", "async", {"autoreset_mode": "same-step", "num_envs": 2}),
        ("Lever", "sync", {"ent_coef": 0.01, "ent_coef_schedule": "linear", "max_grad_norm": 0.5}),
    ]
]
CASES += [
    {"engine": "fused", "learner": "compiled", "env_id": env} for env in ("CartPole-v1", "MountainCar-v0")
]
SCHEDULED = {"optimizer": "rmsprop", "lr_final": 1e-3, "ent_coef": 0.1, "ent_coef_schedule": "linear"}
CASES += [{"engine": "fused", "learner": "compiled", "num_envs": 300, "num_threads": 2, **SCHEDULED}]
CASES += [{"engine": "sync", "learner": "compiled", **SCHEDULED}]


def case_of(case):
    """With its name; slow, where kernels would be compiled for it alone."""
    is_slow = case["learner"] == "compiled" and case.get("env_id") == "MountainCar-v0"
    name = "-".join(map(str, case.values()))
    return pytest.param(case, id=name, marks=pytest.mark.slow if is_slow else ())


@contextmanager
def engine_of(config):
    with closing(make_engine(config, torch.device("cpu"), config.num_threads or 1)) as engine:
        yield engine


def go_on(engine, calls):
    """Episodes of some calls, and the state they lead to; counts that no rhythm of rows shares."""
    episodes = []
    for call in range(calls):
        episodes += list(engine.iterate(1 + call % 3).episodes)
    return episodes, engine


@pytest.fixture(autouse=True)
def no_deadline(monkeypatch):
    """A call makes its update, however slow the machine is: as many calls are as many updates."""
    monkeypatch.setattr(gymnasium_engine, "CALL_SECONDS", math.inf)


def assert_goes_on_alike(engine, config, tmp_path, calls=40):
    state = saved(engine, tmp_path)
    episodes, _ = go_on(engine, calls)
    with engine_of(config) as other:
        other.load_state_dict(state)
        assert bits(saved(other, tmp_path)) == bits(state)
        assert go_on(other, calls)[0] == episodes
        assert bits(saved(other, tmp_path)) == bits(saved(engine, tmp_path))


@pytest.mark.parametrize("case", map(case_of, CASES))
def test_a_loaded_engine_goes_on_bit_for_bit(case, tmp_path):
    config = Config(**(SIZES | case))
    with engine_of(config) as engine:
        engine.reset()
        for calls in (1, 20):
            go_on(engine, calls)
            assert_goes_on_alike(engine, config, tmp_path)
        assert engine.env_steps > 100


@pytest.mark.parametrize("learner", ["torch", "compiled"])
@pytest.mark.parametrize("mode", ["next-step", "same-step"])
def test_also_from_the_middle_of_a_rollout(learner, mode, tmp_path, monkeypatch):
    config = Config(**SIZES, engine="sync", learner=learner, autoreset_mode=mode)
    with engine_of(config) as engine:
        engine.reset()
        go_on(engine, 30)
        for steps in (1, 2, 3):
            monkeypatch.setattr(gymnasium_engine, "CALL_SECONDS", 0.0)
            while engine._collector._next_step != steps:  # every call is cut off after one step
                engine.iterate(1)
            assert_goes_on_alike(engine, config, tmp_path, calls=50)
            monkeypatch.undo()


@pytest.mark.parametrize("learner", ["torch", "compiled"])
def test_also_from_a_complete_rollout_whose_update_failed(learner, tmp_path, monkeypatch):
    config = Config(**SIZES, engine="sync", learner=learner)
    with engine_of(config) as engine:
        engine.reset()
        go_on(engine, 30)
        with monkeypatch.context() as patched:
            patched.setattr(engine._learner, "update", lambda *_: raising(MemoryError()))
            with pytest.raises(MemoryError):
                engine.iterate(1)
        assert engine._collector._next_step == config.n_rollout
        assert_goes_on_alike(engine, config, tmp_path)


def test_before_the_first_step_a_loaded_engine_begins_as_the_run_did(tmp_path):
    for engine_name in ("sync", "fused"):
        config = Config(**SIZES, engine=engine_name, learner="compiled")
        with engine_of(config) as engine, engine_of(config) as other:
            state = saved(engine, tmp_path)
            assert state["engine"] is None
            engine.reset()
            other.load_state_dict(state)
            assert bits(saved(engine, tmp_path)) == bits(saved(other, tmp_path))


def test_environments_that_do_not_tell_their_state_start_new_episodes(tmp_path):
    """And not those again that the run began with."""
    config = Config(**SIZES, env_id=SCRIPTED + "Random-v0", learner="torch")
    with engine_of(config) as engine:
        engine.reset()
        first_obs = engine.environments.obs
        go_on(engine, 10)
        state = saved(engine, tmp_path)
        assert state["engine"]["episodes"] is None
        restarts = []
        later = state | {"env_steps": state["env_steps"] + 1}
        for moment in (state, state, later):
            with engine_of(config) as other:
                other.load_state_dict(moment)
                restarts.append(other.environments.obs)
                assert (other.env_steps, other.updates) == (moment["env_steps"], engine.updates)
                assert bits(other.network.state_dict()) == bits(engine.network.state_dict())
                assert other.iterate(1).last_update is not None
        assert np.array_equal(*restarts[:2])
        assert not np.isin(restarts[0], first_obs).any()
        assert not np.isin(restarts[0], restarts[2]).any()


def test_a_fault_leaves_no_environment_state_behind(tmp_path, monkeypatch):
    """Some environments have taken the step, others not: there is nothing to go on from."""
    config = Config(**SIZES, env_id=SCRIPTED + "Saving-v0", learner="torch")
    with engine_of(config) as engine:
        engine.reset()
        engine.iterate(5)
        assert saved(engine, tmp_path)["engine"]["episodes"] is not None
        monkeypatch.setattr("scripted_environments.SavingEnv.step", None)
        with pytest.raises(EnvironmentFault):
            engine.iterate(5)
        assert saved(engine, tmp_path)["engine"]["episodes"] is None


def test_environments_that_fail_while_they_tell_their_state_are_asked_no_more(tmp_path, monkeypatch):
    config = Config(**SIZES, engine="sync", learner="torch")
    with engine_of(config) as engine:
        engine.reset()
        engine.iterate(1)
        fault = EnvironmentFault("the worker process of environment 1 was killed by signal 9")
        monkeypatch.setattr(engine.environments, "state", lambda: raising(fault))
        with pytest.raises(EnvironmentFault):
            engine.state_dict()
        assert engine.state_dict()["engine"]["episodes"] is None


def raising(error):
    raise error


@pytest.mark.parametrize("engine_name", ["sync", "fused"])
def test_a_state_of_another_shape_is_refused(engine_name, tmp_path):
    """Also one that would broadcast."""
    config = Config(**SIZES, engine=engine_name, learner="compiled")
    with engine_of(config) as engine:
        engine.reset()
        engine.iterate(1)
        state = saved(engine, tmp_path)
        inner = state["engine"] if engine_name == "fused" else state["engine"]["episodes"]["tracker"]
        name = "window" if engine_name == "fused" else "return_N"
        for wrong in (inner[name][:1], inner[name].float(), inner[name][None]):
            with engine_of(config) as other, pytest.raises(ValueError, match="belongs"):
                other.load_state_dict(state | {"engine": replaced(state["engine"], name, wrong)})


@pytest.mark.parametrize("name", ["action_TN", "next_step"])
def test_kernels_follow_no_wrong_index(name, tmp_path, monkeypatch):
    config = Config(**SIZES, engine="sync", learner="compiled")
    with engine_of(config) as engine, engine_of(config) as other:
        engine.reset()
        monkeypatch.setattr(gymnasium_engine, "CALL_SECONDS", 0.0)
        engine.iterate(1)
        state = saved(engine, tmp_path)
        other.load_state_dict(state)
        good = {"action_TN": state["engine"]["episodes"]["rollout"]["action_TN"], "next_step": 1}[name]
        for wrong in (good - 2, good + 1000, None) if name == "next_step" else (good - 2, good + 2):
            with pytest.raises(ValueError):
                other.load_state_dict(state | {"engine": replaced(state["engine"], name, wrong)})


def replaced(tree, name, value):
    if not isinstance(tree, dict):
        return tree
    return {key: value if key == name else replaced(item, name, value) for key, item in tree.items()}
