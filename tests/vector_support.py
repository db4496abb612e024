"""What tests of the environments share."""

import os
from contextlib import closing

from vecac.config import Config
from vecac.environments.vector import make_environments

FASTEST_START = "fork" if hasattr(os, "fork") else "spawn"
MODES = ["next-step", "same-step", "disabled"]
BACKENDS = [
    {"engine": "sync"},
    {"engine": "async", "start_method": FASTEST_START},
    {"engine": "async", "start_method": FASTEST_START, "shared_memory": False},
]


def make(name, num_envs=2, **settings):
    return closing(
        make_environments(Config(env_id=f"scripted_environments:{name}-v0", num_envs=num_envs, **settings))
    )


def rows(array):
    return array.tolist()
