"""What a transition was, whatever the backend and the autoreset mode."""

from contextlib import closing

import numpy as np
import pytest
from vector_support import BACKENDS, MODES, make, rows

from vecac.config import Config
from vecac.environments.vector import make_environments
from vecac.errors import EnvironmentFault


@pytest.mark.parametrize("backend", BACKENDS, ids=str)
@pytest.mark.parametrize("name", ["Counting", "CountingReused"])
def test_next_step_literally(backend, name):
    with make(name, 1, autoreset_mode="next-step", **backend) as environments:
        assert rows(environments.reset()) == [[0, 0]]
        expected = [  # obs, reward, terminated, truncated, next_obs, valid
            ([0, 0], 1, False, False, [0, 1], True),
            ([0, 1], 2, True, False, [0, 2], True),
            ([0, 2], 0, False, False, [1, 0], False),
            ([1, 0], 11, False, False, [1, 1], True),
            ([1, 1], 12, False, False, [1, 2], True),
            ([1, 2], 13, False, True, [1, 3], True),
            ([1, 3], 0, False, False, [2, 0], False),
            ([2, 0], 21, False, False, [2, 1], True),
            ([2, 1], 22, False, False, [2, 2], True),
            ([2, 2], 23, False, False, [2, 3], True),
            ([2, 3], 24, True, True, [2, 4], True),
            ([2, 4], 0, False, False, [3, 0], False),
        ]
        assert_steps(environments, expected)


@pytest.mark.parametrize("backend", BACKENDS, ids=str)
@pytest.mark.parametrize("name", ["Counting", "CountingReused"])
@pytest.mark.parametrize("mode", ["same-step", "disabled"])
def test_same_step_and_disabled_literally(backend, name, mode):
    with make(name, 1, autoreset_mode=mode, **backend) as environments:
        assert rows(environments.reset()) == [[0, 0]]
        expected = [
            ([0, 0], 1, False, False, [0, 1], True),
            ([0, 1], 2, True, False, [0, 2], True),
            ([1, 0], 11, False, False, [1, 1], True),
            ([1, 1], 12, False, False, [1, 2], True),
            ([1, 2], 13, False, True, [1, 3], True),
            ([2, 0], 21, False, False, [2, 1], True),
            ([2, 1], 22, False, False, [2, 2], True),
            ([2, 2], 23, False, False, [2, 3], True),
            ([2, 3], 24, True, True, [2, 4], True),
            ([3, 0], 31, False, False, [3, 1], True),
        ]
        assert_steps(environments, expected)


def assert_steps(environments, expected):
    """Compare after all steps, so that an array which a later step wrote to is found out."""
    steps = [environments.step(np.zeros(1, np.int64)) for _ in expected]
    for step, row in zip(steps, expected, strict=True):
        assert tuple(rows(array)[0] for array in step) == row
        assert [array.dtype for array in step] == [np.float32, np.float32, bool, bool, np.float32, bool]


def stream(num_envs, steps=400, **settings):
    """Every environment's valid transitions, the action a function of what it showed last."""
    transitions = [[] for _ in range(num_envs)]
    with make("Random", num_envs, **settings) as environments:
        environments.reset()
        for _ in range(steps):
            action = (np.abs(environments.obs).sum(axis=1) * 1000).astype(np.int64) % 3
            step = environments.step(action)
            for index in np.flatnonzero(step.valid):
                row = (step.obs, action, step.reward, step.terminated, step.truncated, step.next_obs)
                transitions[index].append(tuple(array[index].tobytes() for array in row))
    return transitions


def test_every_backend_and_mode_hands_out_the_same_valid_transitions():
    streams = [stream(3, autoreset_mode=mode, **backend) for mode in MODES for backend in BACKENDS]
    # NEXT_STEP spends rows on resets: compare as far as it got.
    length = min(len(transitions) for one in streams for transitions in one)
    assert length > 250
    cut = [[transitions[:length] for transitions in one] for one in streams]
    assert all(one == cut[0] for one in cut[1:])
    ends = {transition[3:5] for transition in cut[0][0]}
    assert ends == {(a, b) for a in (b"\0", b"\1") for b in (b"\0", b"\1")}
    assert cut[0][0] != cut[0][1]


def test_one_vector_environment_is_the_sync_one_bit_for_bit():
    streams = []
    for engine in ("sync", "vector"):
        with closing(make_environments(Config(num_envs=1, engine=engine, seed=7))) as environments:
            environments.reset()
            steps = []
            for _ in range(2000):
                step = environments.step((environments.obs[:, 2] > 0.0).astype(np.int64))
                steps.append([array.tobytes() for array in step])
            streams.append(steps)
    assert streams[0] == streams[1]


@pytest.mark.parametrize(("name", "mode"), [("SameStep", "same-step"), ("Disabled", "disabled")])
def test_a_custom_vector_environment_in_another_mode(name, mode):
    with make(f"Vector{name}", 2, engine="vector", autoreset_mode=mode) as environments:
        environments.reset()
        environments.step(np.zeros(2, np.int64))
        ending = environments.step(np.zeros(2, np.int64))
        assert rows(ending.next_obs) == [[0, 2], [0, 2]]
        assert rows(environments.obs) == [[1, 0], [1, 0]]
        assert rows(environments.step(np.zeros(2, np.int64)).obs) == [[1, 0], [1, 0]]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("backend", BACKENDS, ids=str)
def test_reset_between_an_end_and_its_autoreset_starts_anew(backend, mode):
    with make("Random", 2, autoreset_mode=mode, **backend) as environments:
        first = environments.reset()
        while not (step := environments.step(np.zeros(2, np.int64))).terminated.any():
            pass
        assert rows(environments.reset()) == rows(first)
        seen = [[], []]
        for _ in range(3):
            step = environments.step(np.ones(2, np.int64))
            for index in np.flatnonzero(step.valid):
                seen[index].append((rows(step.obs[index]), rows(step.next_obs[index])))
        environments.reset()
        again = environments.step(np.ones(2, np.int64))
        for index in np.flatnonzero(again.valid):
            assert seen[index][0] == (rows(again.obs[index]), rows(again.next_obs[index]))


def test_each_environment_has_its_own_seed_and_neighbouring_runs_share_none():
    first = {}
    for seed in (1, 2):
        with make("Random", 16, seed=seed) as environments:
            first[seed] = {tuple(obs) for obs in rows(environments.reset())}
    assert len(first[1]) == len(first[2]) == 16
    assert not first[1] & first[2]


def test_dead_rows_of_a_custom_vector_environment_show_nothing():
    with make("VectorNextStep", 2, engine="vector") as environments:
        environments.reset()
        steps = [environments.step(np.zeros(2, np.int64)) for _ in range(4)]
        assert [rows(step.valid)[0] for step in steps] == [True, True, False, True]
        assert rows(steps[2].reward) == [0, 0]
        assert not (steps[2].terminated | steps[2].truncated).any()
        assert all(step.next_obs.flags.c_contiguous for step in steps)
        environments.reset()
        environments._envs.fault, environments._envs.metadata = "nan", {}
        with pytest.raises(EnvironmentFault, match="at step 1, environment 1 returned"):
            environments.step(np.zeros(2, np.int64))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("backend", BACKENDS, ids=str)
def test_observations_are_what_their_spaces_dtype_can_hold(backend, mode):
    with make("Byte", 2, autoreset_mode=mode, **backend) as environments:
        environments.reset()
        assert rows(environments.step(np.zeros(2, np.int64)).next_obs) == [[0, 1], [0, 1]]
        assert rows(environments.step(np.zeros(2, np.int64)).next_obs) == [[0, 2], [0, 2]]
        if mode == "next-step":
            environments.step(np.zeros(2, np.int64))
        with pytest.raises(
            EnvironmentFault, match=r"environment 0 returned .*\[1.5, 1.5\].* uint8 cannot hold"
        ):
            environments.step(np.array([1, 0]))


def test_observations_do_not_alias_the_environments_memory():
    with make("CountingReused", 2) as environments:
        first = environments.reset()
        step = environments.step(np.zeros(2, np.int64))
        assert not np.shares_memory(step.next_obs, environments._envs._observations)
        step.next_obs[:] = 99
        environments.step(np.zeros(2, np.int64))
        assert rows(first) == [[0, 0], [0, 0]]


@pytest.mark.linux
def test_async_environments_live_in_processes_of_their_own():
    with make("Process", 2, engine="async", start_method="fork") as environments:
        low, high = environments.reset().T
        pids = (low + high * 2**16).astype(int).tolist()
        assert pids == [process.pid for process in environments._envs.processes]


@pytest.mark.parametrize(
    "method", [*(pytest.param(name, marks=pytest.mark.linux) for name in ("fork", "forkserver")), "spawn"]
)
def test_start_methods(method):
    """Whichever it is, the workers' steps are those that one process takes."""
    action_TN = np.random.default_rng(0).integers(0, 3, (40, 2))
    taken = []
    for backend in ({"engine": "sync"}, {"engine": "async", "start_method": method}):
        with make("Random", 2, **backend) as environments:
            environments.reset()
            taken.append([list(map(rows, environments.step(action_N))) for action_N in action_TN])
    assert taken[0] == taken[1]


@pytest.mark.parametrize("env_id", ["Acrobot-v1", "MountainCar-v0"])
@pytest.mark.parametrize("engine", ["sync", "async"])
def test_other_classic_environments(env_id, engine):
    with closing(make_environments(Config(env_id=env_id, engine=engine, num_envs=2))) as environments:
        environments.reset()
        step = environments.step(np.array([0, 2]))
        assert step.next_obs.shape == (2, environments.obs_size)
        assert environments.num_actions == 3


@pytest.mark.linux
def test_close_may_be_called_twice():
    for settings in ({}, {"engine": "async", "start_method": "fork"}):
        with make("Counting", **settings) as environments:
            environments.close()
            assert environments._envs.closed
    with closing(make_environments(Config(engine="vector"))) as environments:
        environments.close()
        assert environments._envs.closed
