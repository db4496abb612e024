"""Workers end, and end soon, in whatever state they are."""

import multiprocessing
import os
import re
import signal
import time
from contextlib import closing, suppress

import gymnasium as gym
import numpy as np
import pytest
from faulty_environments import FaultyEnv, TwoArgumentsError
from scripted_environments import SavingEnv

from vecac.config import Config
from vecac.environments import supervision
from vecac.environments.supervision import GRACE_SECONDS
from vecac.environments.vector import make_environments
from vecac.errors import EnvironmentFault, UsageError
from vecac.plain import to_arrays, to_tensors

pytestmark = pytest.mark.linux  # fork, SIGKILL, SIGSTOP


def start(env_id, num_envs=3):
    environments = make_environments(
        Config(
            env_id=f"scripted_environments:{env_id}-v0",
            num_envs=num_envs,
            engine="async",
            start_method="fork",
        )
    )
    environments.reset()
    return environments, environments._envs.processes


def nothing(environments, processes):
    pass


def kill_the_first(environments, processes):
    os.kill(processes[0].pid, signal.SIGKILL)
    processes[0].join()


def stop_the_second(environments, processes):
    os.kill(processes[1].pid, signal.SIGSTOP)


def leave_in_the_middle_of_a_step(environments, processes):
    environments._envs.step_async(np.zeros(len(processes), np.int64))


def kill_one_in_the_middle_of_a_step(environments, processes):
    environments._envs.step_async(np.zeros(len(processes), np.int64))
    kill_the_first(environments, processes)
    with suppress(Exception):
        environments._envs.step_wait()


@pytest.mark.parametrize(
    "harm",
    [
        nothing,
        kill_the_first,
        stop_the_second,
        leave_in_the_middle_of_a_step,
        kill_one_in_the_middle_of_a_step,
    ],
)
def test_no_worker_outlives_close(harm):
    environments, processes = start("Sleeping")
    harm(environments, processes)
    before = time.monotonic()
    environments.close()
    assert time.monotonic() - before < GRACE_SECONDS + 3
    assert not any(process.is_alive() for process in processes)
    environments.close()


def test_a_worker_that_stops_in_the_middle_of_a_message_is_named():
    config = {"env_id": "scripted_environments:Wide-v0", "engine": "async", "start_method": "fork"}
    config |= {"shared_memory": False, "num_envs": 2, "step_timeout": 0.5}
    with closing(make_environments(Config(**config))) as environments:
        environments.reset()
        envs = environments._envs
        send = envs.step_async

        def stop_behind_the_first_bytes(action):
            send(action)
            assert envs.parent_pipes[1].poll(30)
            pid = envs.processes[1].pid
            os.kill(pid, signal.SIGSTOP)
            os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)  # which it has once it is scheduled

        envs.step_async = stop_behind_the_first_bytes
        before = time.monotonic()
        with pytest.raises(
            EnvironmentFault, match=r"environment 1 has not answered for 0\.5 s .* is stopped"
        ):
            environments.step(np.zeros(2, np.int64))
    assert time.monotonic() - before < 0.5 + 2 + 3


def test_the_longest_step_timeout_is_one_that_pipes_take():
    config = Config(engine="async", start_method="fork", num_envs=2, step_timeout=1_000_000)
    with closing(make_environments(config)) as environments:
        environments.reset()
        assert environments.step(np.zeros(2, np.int64)).valid.all()


def test_a_worker_that_never_takes_its_state_is_named(monkeypatch):
    """Forked workers inherit the method that hangs."""
    monkeypatch.setattr(SavingEnv, "set_state", lambda self, state: time.sleep(600))
    config = {"env_id": "scripted_environments:Saving-v0", "engine": "async", "start_method": "fork"}
    environments = make_environments(Config(**config, num_envs=2, step_timeout=0.5))
    environments.reset()
    before = time.monotonic()
    with pytest.raises(EnvironmentFault, match=r"environment 0 has not answered for 0\.5 s"):
        environments.restore(to_arrays(to_tensors(environments.state())))
    environments.close()
    assert time.monotonic() - before < 0.5 + 2 + 3


def test_a_workers_error_is_the_first_environments_and_all_that_is_told(caplog, capfd):
    environments, _ = start("Faulty")
    with pytest.raises(EnvironmentFault, match="environment 1 raised KeyError"):
        environments.step(np.array([0, FaultyEnv.FAULTS.index("raise"), FaultyEnv.FAULTS.index("short")]))
    environments.close()
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_workers_that_can_are_asked_before_they_are_killed():
    environments, processes = start("Counting")
    environments.close()
    assert [process.exitcode for process in processes] == [0, 0, 0]


class UnmakeableEnv(SavingEnv):
    """Cannot be made in the worker of environment 1, in one of several ways."""

    def __init__(self, how):
        super().__init__()
        if multiprocessing.current_process().name.endswith("-1"):
            {"raise": self.fail, "die": lambda: os._exit(3), "hang": lambda: time.sleep(600)}[how]()

    def fail(self):
        raise TwoArgumentsError("one", "two")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raise", "environment 1 cannot be made: TwoArgumentsError: one and two"),
        ("die", "the worker process of environment 1 ended with exit code 3"),
        ("hang", "environment 1 has not answered for 1 s"),
    ],
)
def test_a_worker_that_cannot_make_its_environment_is_named(how, message, capfd, monkeypatch):
    monkeypatch.setattr(supervision, "START_SECONDS", 1.0)
    gym.register(f"Unmakeable-{how}-v0", f"{__name__}:UnmakeableEnv", kwargs={"how": how})
    config = Config(
        env_id=f"{__name__}:Unmakeable-{how}-v0",
        engine="async",
        num_envs=3,
        start_method="fork",
        step_timeout=0.5,
    )
    with pytest.raises(UsageError, match=re.escape(message)):
        make_environments(config)
    assert capfd.readouterr() == ("", "")
    assert not multiprocessing.active_children()
