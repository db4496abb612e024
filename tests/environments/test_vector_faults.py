"""What is wrong with an environment is said with its index, and what cannot be trained on is refused."""

import numpy as np
import pytest
from faulty_environments import FaultyEnv
from vector_support import BACKENDS, make, rows

from vecac.config import Config
from vecac.environments.vector import make_environments
from vecac.errors import EnvironmentFault, UsageError


@pytest.mark.parametrize("backend", BACKENDS, ids=str)
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("nan", "environment 1 returned the observation"),
        ("inf", "environment 1 returned the observation"),
        ("huge", "environment 1 returned the observation"),
        ("short", r"environment 1 returned an observation of shape \(1,\)"),
        ("flat", r"environment 1 returned an observation of shape \(2, 1\)"),
        ("scalar", r"environment 1 returned an observation of shape \(\)"),
        ("reward", "environment 1 returned the reward"),
        ("raise", "environment 1 raised KeyError: 'a key'"),
        ("text", "environment 1 returned the observation"),
        ("reward_array", "environment 1 returned the reward array"),
        ("reward_text", "environment 1 returned the reward '1', which is not a number"),
        ("flags", "environment 1 raised ValueError"),
        ("exit", "environment 1 raised SystemExit: 3"),
        ("raise_two", "environment 1 raised TwoArgumentsError: one and two"),
    ],
)
def test_faults_are_named_with_the_environments_index(backend, fault, message):
    with make("Faulty", 3, **backend) as environments:
        environments.reset()
        environments.step(np.zeros(3, np.int64))
        action = np.array([0, FaultyEnv.FAULTS.index(fault), 0])
        with pytest.raises(EnvironmentFault, match=message):
            environments.step(action)


@pytest.mark.parametrize("backend", BACKENDS[:2], ids=str)
def test_a_fault_at_reset_is_named(backend):
    with (
        make("NanAtReset", 2, **backend) as environments,
        pytest.raises(EnvironmentFault, match="environment 0"),
    ):
        environments.reset()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("NoFinal", 'environment 0 ended an episode .* without info\\["final_obs"\\]'),
        ("FinalShape", "environment 0 returned final observation of shape"),
        ("Shape", r"returned observations of shape \(2, 1\), expected \(2, 2\)"),
        ("RewardShape", r"returned reward of shape \(2, 1\)"),
        ("FinalNan", "environment 0 returned the observation"),
        ("Nan", "at step 1, environment 1 returned the observation"),
        ("Raise", "the vector environment raised KeyError: 'a key'"),
    ],
)
def test_a_custom_vector_environments_faults_are_named(fault, message):
    with make(f"Vector{fault}", 2, engine="vector", autoreset_mode="same-step") as environments:
        environments.reset()
        with pytest.raises(EnvironmentFault, match=message):
            for _ in range(2):
                environments.step(np.zeros(2, np.int64))


@pytest.mark.linux
def test_a_worker_that_dies_is_named():
    with make("Faulty", 3, engine="async", start_method="fork") as environments:
        environments.reset()
        ending = "at step 1, the worker process of environment 2 ended with exit code 3"
        with pytest.raises(EnvironmentFault, match=ending):
            environments.step(np.array([0, 0, FaultyEnv.FAULTS.index("die")]))


@pytest.mark.parametrize("backend", BACKENDS, ids=str)
def test_a_wrong_action_array_is_refused_before_anything_is_sent(backend):
    with make("Counting", 2, **backend) as environments:
        environments.reset()
        for wrong in (np.zeros(1, np.int64), np.zeros((2, 1), np.int64), np.zeros(2)):
            with pytest.raises(ValueError, match="action must be"):
                environments.step(wrong)
        assert rows(environments.step(np.zeros(2, np.int64)).next_obs) == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("Counting", {"engine": "vector", "autoreset_mode": "next-step"}, "use --autoreset-mode same-step"),
        ("VectorNoMode", {"engine": "vector"}, "does not say how"),
        ("VectorOddMode", {"engine": "vector"}, "does not say how"),
        ("Random", {"engine": "vector"}, "has no vector form"),
        ("VectorSameStep", {"engine": "sync"}, "only has a vector form"),
        ("Photo", {}, r"Box\(0, 255, \(8, 8, 3\), uint8\): pictures are not supported"),
        ("Photo", {"engine": "async"}, "pictures are not supported"),
        ("Empty", {}, "there is nothing in it to learn from"),
        ("Whole", {}, "only Discrete, MultiDiscrete, MultiBinary and a Box of floats are supported"),
        ("Missing", {}, "Missing"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_by_name(name, settings, message):
    with pytest.raises(UsageError, match=message):
        make(name, **settings)


@pytest.mark.parametrize("env_id", ["no_such_module:Id-v0", "NoSuchEnvironment-v0", "CartPole-v9", "a b"])
def test_unknown_environments_are_refused_by_name(env_id):
    with pytest.raises(UsageError, match=env_id):
        make_environments(Config(env_id=env_id))
