"""Worker processes: what they are dealt, and what becomes of a run whose worker dies."""

import os
import signal
import time
from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
from support import start, wait_until

from vecac.config import Config
from vecac.errors import UsageError
from vecac.studies.training import Trainer
from vecac.studies.workers import Task, Workers

CONFIG = Config(engine="fused", num_threads=1, total_timesteps=20_000, eval_episodes=5)


class DeadlyEnv(gym.Env):
    """Kills its process at its 50th step, the first time or each time, as a file says."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, file="", always=False):
        self.file, self.always, self.steps = file, always, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 50 and (self.always or not os.path.exists(self.file)):  # noqa: PTH110
            with open(self.file, "a") as file:
                file.write("killed\n")
            os.kill(os.getpid(), signal.SIGKILL)
        return np.zeros(2, np.float32), 1.0, self.steps % 10 == 0, False, {}


gym.register("Deadly-v0", DeadlyEnv)


@pytest.fixture(scope="module")
def workers():
    with closing(Workers(2)) as both:
        yield both


def outcomes(workers, tasks):
    found = [outcome for outcome in workers.run(iter(tasks)) if outcome is not None]
    return sorted(found, key=lambda outcome: (outcome.setting, outcome.seed))


def deadly(tmp_path, always):
    return Config(
        env_id="test_workers:Deadly-v0",
        env_kwargs={"file": str(tmp_path / "killed"), "always": always},
        num_envs=2,
        num_threads=1,
        total_timesteps=2000,
        eval_episodes=0,
    )


def without_times(outcome):
    return {**vars(outcome), "seconds": 0, "solved_at_seconds": 0, "curve_G": outcome.curve_G.tobytes()}


def test_runs_are_those_of_one_process_whoever_trains_them(workers):
    tasks = [Task(1, seed, CONFIG) for seed in range(6)]
    ours = outcomes(workers, tasks)
    trainer = Trainer(1, CONFIG)
    assert [*map(without_times, ours)] == [without_times(trainer.train(seed)) for seed in range(6)]


def test_a_setting_that_cannot_run_is_told_when_workers_get_ready(workers):
    tasks = [Task(1, None, CONFIG), Task(2, None, Config(env_id="Nowhere-v0"))]
    told = {outcome.setting: outcome.error for outcome in workers.prepare(tasks) if outcome is not None}
    assert told[1] is None
    assert "Nowhere" in told[2]


@pytest.mark.linux
def test_a_run_whose_worker_is_killed_is_done_again(workers, tmp_path):
    config = deadly(tmp_path, always=False)
    tasks = [Task(3, seed, config) for seed in range(3)] + [Task(4, seed, CONFIG) for seed in range(3)]
    done = outcomes(workers, tasks)
    assert [(one.setting, one.seed) for one in done] == [(3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (4, 2)]
    assert {one.stop_reason for one in done} == {"finished"}
    assert (tmp_path / "killed").read_text().count("killed") >= 1


@pytest.mark.linux
def test_a_run_that_kills_its_worker_twice_has_failed_and_the_others_go_on(workers, tmp_path):
    tasks = [Task(5, 0, deadly(tmp_path, always=True)), *(Task(6, seed, CONFIG) for seed in range(4))]
    killed, *others = outcomes(workers, tasks)
    assert (killed.setting, killed.stop_reason) == (5, "failed")
    assert killed.error == "its process died, 2 times (exit code -9)"
    assert (tmp_path / "killed").read_text().count("killed") == 2
    assert [one.stop_reason for one in others] == ["finished"] * 4


def test_a_tick_comes_while_nothing_ends(workers):
    slow = Task(7, 0, Config(num_threads=1, total_timesteps=200_000, eval_episodes=0))
    begun, ticks = time.monotonic(), 0
    for outcome in workers.run(iter([slow])):
        ticks += outcome is None
        if ticks == 2:
            break
    assert time.monotonic() - begun < 5
    workers.close()  # with the run in progress
    assert workers.count == 2


PARENT = """
import sys, time
from vecac.config import Config
from vecac.errors import UsageError
from vecac.studies.workers import Task, Workers
if __name__ == "__main__":
    workers = Workers(2)
    slow = Config(num_threads=1, total_timesteps=10**9, engine="sync")
    for _ in workers.run(iter([Task(1, 0, slow), Task(1, 1, slow)])):
        print(*(worker.process.pid for worker in workers._workers), flush=True)
        time.sleep(1)
"""


def is_alive(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.linux
def test_workers_end_with_their_parent_even_if_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with open(os.devnull, "w") as devnull:
        process = start(script, stderr=devnull)
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert all(map(is_alive, pids))
    os.kill(process.pid, signal.SIGKILL)
    assert wait_until(lambda: not any(map(is_alive, pids)), 10)


@pytest.mark.linux
def test_the_death_of_the_server_that_forks_is_survived(tmp_path):
    with closing(Workers(2)) as pair:
        (server,) = {parent_of(worker.process.pid) for worker in pair._workers}
        done = []
        for outcome in pair.run(iter([Task(1, seed, CONFIG) for seed in range(20)])):
            if outcome is not None:
                done.append(outcome.seed)
                if len(done) == 4:
                    os.kill(server, signal.SIGKILL)
        assert sorted(done) == list(range(20))


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def test_more_workers_than_there_can_be_is_a_line(monkeypatch):
    monkeypatch.setattr(Workers, "_start", raise_too_many)
    with pytest.raises(UsageError, match=r"50 worker processes cannot be started .*use fewer --workers"):
        Workers(50)


def raise_too_many(self):
    raise OSError(24, "Too many open files")
