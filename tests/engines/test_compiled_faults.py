"""A compiled environment that goes wrong ends the run by its name, and leaves what can be gone on from."""

import dataclasses
import math
from contextlib import closing

import numpy as np
import pytest
from kernel_support import PICK, PUSH
from support import assert_raises_soon, saved

from vecac.config import Config
from vecac.engines.compiled_faults import find_fault, probes
from vecac.engines.fused_engine import FusedEngine
from vecac.errors import EnvironmentFault
from vecac.kernels.drivers import fused
from vecac.kernels.environment import CompiledEnvironment
from vecac.seeding import seed_sequences

RAISE, NAN_OBS, HUGE_OBS, INF_REWARD, INF_LAST_REWARD, DIVIDE = 2.0, 3.0, 4.0, 5.0, 6.0, 7.0


def reset(uniforms):
    return uniforms[0], 0.0


def step(state, action):
    """Fails where x says so."""
    x, steps = state
    if x == RAISE:
        raise ValueError("too far")
    if x == DIVIDE:
        return (x, steps + 1.0), 1.0 / (x - DIVIDE), False
    reward = math.inf if x in (INF_REWARD, INF_LAST_REWARD) else 1.0
    return (x, steps + 1.0), reward, x == INF_LAST_REWARD


def observe(state):
    x, steps = state
    if x == NAN_OBS:
        return math.nan, steps
    return 1e300 if x == HUGE_OBS else x, steps


def failing_reset(uniforms):
    if uniforms[0] > 0.99:
        raise KeyError("no reset")
    return uniforms[0], 0.0


def ending_step(state, action):
    x, steps = state
    return (x, steps + 1.0), 1.0, True


FRAGILE = CompiledEnvironment(reset, step, observe, num_uniforms=1, state_size=2, obs_size=2, num_actions=2)


def make(num_threads=1, num_envs=256, environment=FRAGILE):
    config = Config(num_envs=num_envs, engine="fused")
    return closing(FusedEngine(config, environment, None, num_threads, seed_sequences(0)))


@pytest.mark.parametrize("index", [0, 100, 200])
@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize(
    ("what", "said"),
    [
        (RAISE, "raised ValueError: too far, at step 10 with the state (2.0, 10.0)"),
        (DIVIDE, "raised ZeroDivisionError: float division by zero, at step 10 with the state (7.0, 10.0)"),
        (NAN_OBS, "shows the observation (nan, 20.0), which is not finite in float32, at step 20"),
        (HUGE_OBS, "shows the observation (1e+300, 20.0), which is not finite in float32, at step 20"),
        (INF_REWARD, "gave a reward that is not finite in float32, by step 20 of its episode"),
        (INF_LAST_REWARD, "gave a reward that is not finite in float32, by step 11 of its episode"),
    ],
)
def test_it_is_named_within_a_rollout_and_ends_all_threads(index, num_threads, what, said):
    with make(num_threads) as engine:
        engine.reset()
        engine.iterate(1)
        engine.memory.environments["state"][index, 0] = what
        error = assert_raises_soon(EnvironmentFault, engine.iterate, 100)
        assert str(error).startswith(f"compiled environment {index} {said}")
        assert engine.env_steps in (10 * 256, 20 * 256)


def test_what_is_raised_at_a_reset_is_named():
    """At the first one, and at one in the middle of training."""
    told = (
        r"^compiled environment \d+ raised KeyError: 'no reset', at a reset with the uniforms \(0\.99\d+,\)$"
    )
    failing = dataclasses.replace(FRAGILE, reset=failing_reset, step=ending_step)
    with make(environment=failing) as engine, pytest.raises(EnvironmentFault, match=told):
        engine.reset()
    with make(num_envs=8, environment=failing) as engine:
        engine.reset()  # on eight numbers that are smaller, by seed 0
        with pytest.raises(EnvironmentFault, match=told):
            engine.iterate(100)


def torn(engine, tmp_path):
    """The state after one environment has raised in mid-rollout."""
    engine.memory.environments["state"][200, 0] = RAISE
    with pytest.raises(EnvironmentFault):
        engine.iterate(1)
    state = saved(engine, tmp_path)
    assert state["engine"]["episodes"] is None
    return state


def test_a_torn_rollout_is_not_gone_on_from(tmp_path):
    with make() as engine, make() as other, make() as again, make() as later:
        engine.reset()
        first = engine.memory.environments["state"].copy()
        engine.iterate(1)
        assert engine.state_dict()["engine"]["episodes"] is not None
        state = torn(engine, tmp_path)
        for resumed in (other, again):
            resumed.load_state_dict(state)
            assert (resumed.env_steps, resumed.updates) == (2560, 1)
        states = other.memory.environments["state"]
        assert np.array_equal(states, again.memory.environments["state"])
        assert not np.isin(states[:, 0], first[:, 0]).any()
        assert not states[:, 1].any()
        restarted = states[:, 0].copy()
        assert other.iterate(1).last_update is not None
        later.load_state_dict(torn(other, tmp_path))
        assert not np.isin(later.memory.environments["state"][:, 0], restarted).any()


def test_what_a_step_may_be_asked_for_is_tried():
    assert probes(FRAGILE) == [0, 1]
    assert probes(PICK) == [(a, b) for a in range(3) for b in range(2)]
    tried = probes(PUSH)
    assert len(tried) == len(set(tried)) == 3 * 3
    assert {first for first, _ in tried} == {-1.0, 0.25, 1.5}
    assert min(second for _, second in tried) == -0.5
    many = probes(dataclasses.replace(PUSH, action_bounds=((2000.0, 3000.0),) * 6))
    assert len(many) == 100
    assert all({action[u] for action in many} == {2000.0, 2500.0, 3000.0} for u in range(6))


def test_what_was_not_raised_is_not_named():
    with make(num_envs=8) as engine:
        engine.reset()
        records = engine.memory.environments
        records["state"][3, 0] = DIVIDE
        assert find_fault(FRAGILE, records, records[:0], ValueError()) is None
        assert "ZeroDivisionError" in find_fault(FRAGILE, records, records[:0], ZeroDivisionError())


def test_a_policy_that_is_not_finite_is_not_put_down_to_the_environment():
    with make(num_envs=8, environment=PUSH) as engine:
        engine.reset()
        engine.memory.model.parameters["log_std"][:] = 89.0  # whose exponential overflows
        assert engine.iterate(5).diverged
        assert np.isfinite(engine.memory.environments["state"]).all()


def test_sound_environments_are_not_blamed():
    with make(num_envs=8) as engine:
        engine.reset()
        engine.iterate(1)
        records = engine.memory.environments
        assert find_fault(FRAGILE, records, np.zeros(3, fused.EPISODE)) is None
        records["state"][3, 0] = RAISE  # where no step was taken
        assert find_fault(FRAGILE, records, np.zeros(0, fused.EPISODE)) is None
        assert "environment 3 raised" in find_fault(FRAGILE, records, records[:0], ValueError())
        records["state"][3, 0] = 0.0
        engine.memory.model.parameters["fc1_bias"][:] = math.nan
        report = engine.iterate(5)
        assert report.diverged
        assert engine.updates == 2
