"""What vecac uses of Gymnasium's vector environments beyond their documented interface is there, by name."""

import ast
import inspect
from contextlib import closing
from functools import partial
from pathlib import Path

import gymnasium as gym
import pytest
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv, async_vector_env

from vecac.environments import lean_sync, supervision

USED = {
    (supervision, AsyncVectorEnv): [
        *("_check_spaces", "_poll_pipe_envs", "_raise_if_errors"),  # overridden
        *("_state", "error_queue", "parent_pipes", "processes"),
    ],
    (lean_sync, SyncVectorEnv): [
        *("_autoreset_envs", "_observations", "_rewards", "_terminations", "_truncations")
    ],
}


@pytest.mark.parametrize(("file", "vector_class"), USED)
def test_what_is_used_is_there(file, vector_class):
    with closing(vector_class([partial(gym.make, "CartPole-v1")])) as envs:
        for name in USED[file, vector_class]:
            gone = (
                f"gymnasium.vector.{vector_class.__name__} has no {name} any more, which {file.__name__} uses"
            )
            assert hasattr(envs, name), gone


@pytest.mark.parametrize(("file", "vector_class"), USED)
def test_nothing_else_is_used(file, vector_class):
    nodes = [*ast.walk(ast.parse(Path(file.__file__).read_text()))]
    asked = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    stored = {"_step_timeout"}  # vecac's own
    with closing(vector_class([partial(gym.make, "CartPole-v1")])) as envs:
        private = {name for name in asked if name.startswith("_") and not name.startswith("__")}
        overridden = {name for name in defined if name.startswith("_") and hasattr(envs, name)}
    overridden -= {"__init__"}
    assert private - defined - stored | overridden <= {*USED[file, vector_class]}


@pytest.mark.parametrize("command", ["_setattr", "close"])
def test_workers_know_the_commands_that_they_are_sent(command):
    assert f'command == "{command}"' in inspect.getsource(async_vector_env), (
        f"workers know no {command} any more"
    )


def test_a_vector_env_of_processes_has_the_state_default():
    assert hasattr(async_vector_env.AsyncState, "DEFAULT"), "AsyncState has no DEFAULT any more"
