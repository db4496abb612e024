"""The benchmarks count what they say they count, and compare what was measured side by side."""

import json
import multiprocessing
import statistics
import time
from contextlib import ExitStack, closing
from pathlib import Path

import ceiling
import gymnasium as gym
import numpy as np
import pytest
import slow_environments
import steps_per_sec
import support
import time_to_solve
import torch
from environments_alone import gymnasium_alone
from golden_updates import GOLDEN, assert_close, golden_batches, golden_network
from notebook import ActorCritic, Notebook, Step, update
from rows import Row, describe_row, describe_rows, measure_rounds, slow_group
from scripted_environments import CountingEnv
from workloads import CollectingAlone, Training

from vecac.config import Config

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RECORD_KEYS = {"benchmark", "hardware", "versions", "git_commit", "command_line", "settings", "notes", "rows"}
ROW_KEYS = {"name", "engine", "num_envs", "device", "what", "median", "min", "max", "ratio_to_notebook"}


@pytest.fixture(scope="module")
def smallest_run(tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "smallest.json"
    flags = ["--engines", "sync", "--num-envs", "2", "--seconds", "0.05", "--json", path]
    start = time.monotonic()
    code, stdout, stderr = support.run(BENCHMARKS / "steps_per_sec.py", *flags)
    assert code == 0, stderr
    return stdout.splitlines(), json.loads(path.read_text()), time.monotonic() - start


def test_the_record_says_where_and_how_it_was_measured(smallest_run):
    _, record, seconds = smallest_run
    assert seconds < 20
    assert record.keys() >= RECORD_KEYS
    assert record["hardware"].keys() == {"cpu", "cores", "gpu"}
    assert record["versions"].keys() == {"python", "torch", "gymnasium", "numpy", "vecac"}
    assert (record["settings"]["engines"], record["settings"]["seconds"]) == (["sync"], 0.05)
    assert (record["notes"] == ["cuda: not measured (no CUDA device)"]) != torch.cuda.is_available()
    names = [row["name"] for row in record["rows"] if row["device"] == "cpu"]
    assert names == [
        "notebook",
        *(
            f"sync 2, {what}"
            for what in ("environments alone", "collecting alone", "training", "training by torch")
        ),
    ]
    assert all(row.keys() >= ROW_KEYS for row in record["rows"])


def test_a_row_s_numbers_agree_with_its_windows(smallest_run):
    lines, record, _ = smallest_run
    for row in record["rows"]:
        (line,) = [line for line in lines if line.startswith(f"{row['name']}  ")]
        assert f"{row['median']:,.0f}" in line
        assert len(row["windows"]) == record["settings"]["rounds"]
        assert 0 < row["min"] <= row["median"] <= row["max"]
        assert row["median"] == statistics.median(row["windows"])
        ratios = [a / b for a, b in zip(row["windows"], row["notebook_windows"], strict=True)]
        assert row["ratio_to_notebook"]["median"] == pytest.approx(statistics.median(ratios))
        assert row["notebook_windows"] == record["rows"][0]["windows"]
    assert record["rows"][0]["ratio_to_notebook"] == {"median": 1, "min": 1, "max": 1}


def test_the_terminal_shows_the_table_alone(smallest_run, tmp_path, monkeypatch, capsys):
    assert not [line for line in smallest_run[0] if "{" in line or len(line) > 200]
    monkeypatch.chdir(tmp_path)
    flags = ["--engines", "vector", "--num-envs", "1", "--seconds", "0.01", "--device", "cpu"]
    assert steps_per_sec.main(flags) == 0
    assert "{" not in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flags", [["--seconds", "0"], ["--num-envs", "0"], ["--engines"]])
def test_a_bad_flag_is_one_line(flags, capsys):
    assert steps_per_sec.main(flags) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"error: {flags[0]} must") and err.count("\n") == 1


def test_dead_rows_do_not_count():
    """Episodes of 2, 3, 4, 2, ... steps, the second copy an episode ahead; d is a dead row:

    first  v v d | v v v | d v v | v v d
    second v v v | d v v | v v d | v v d
    """
    envs = gym.vector.SyncVectorEnv([CountingEnv, CountingEnv])
    with closing(gymnasium_alone(envs, num_steps=3)) as workload:
        envs.envs[1].episode = 1
        assert [workload.advance() for _ in range(4)] == [5, 5, 4, 4]


def test_a_mode_without_dead_rows_is_refused():
    envs = gym.vector.SyncVectorEnv([CountingEnv], autoreset_mode=gym.vector.AutoresetMode.SAME_STEP)
    with closing(envs), pytest.raises(ValueError, match="NEXT_STEP"):
        gymnasium_alone(envs, num_steps=3)


@pytest.mark.parametrize("mode", ["sync", "async", "vector_entry_point"])
def test_environments_alone_count_cartpole_s_transitions(mode):
    rewards = []  # CartPole pays 1 for every transition, and a dead row pays nothing
    envs = gym.make_vec("CartPole-v1", 3, vectorization_mode=mode)
    step = envs.step

    def recorded_step(action):
        outcome = step(action)
        rewards.append(outcome[1].sum())
        return outcome

    envs.step = recorded_step
    with closing(gymnasium_alone(envs, num_steps=100)) as workload:
        env_steps = workload.advance()
    assert env_steps == sum(rewards) < 300


@pytest.mark.parametrize("engine", ["sync", "vector"])
def test_collecting_and_training_count_cartpole_s_transitions(engine):
    config = Config(engine=engine, num_envs=3, n_rollout=100, device="cpu")
    with closing(CollectingAlone(config)) as collecting, closing(Training(config)) as training:
        for _ in range(2):
            assert collecting.advance() == collecting._engine._collector.rollout.reward_TN.sum() < 300
            assert training.advance() == training._engine._collector.rollout.reward_TN.sum() < 300
        assert (training._engine.updates, collecting._engine.updates) == (2, 0)


class Clockwork:
    num_threads = 1

    def __init__(self, name, calls):
        self.name, self.calls = name, calls

    def advance(self):
        self.calls.append(self.name)
        return 10


def make_row(what, windows=(), engine="sync", name=None, calls=None):
    return Row(what, Clockwork(name, calls), "CartPole-v1", engine, 16, "cpu", list(windows))


def test_rows_take_turns_and_the_first_round_does_not_count():
    calls = []
    groups = [[make_row("training", name=name, calls=calls) for name in pair] for pair in ("na", "nb")]
    assert measure_rounds(groups, rounds=2, seconds=1e-9) == 2
    assert calls == ["n", "a", "n", "b"] * 3
    assert [len(row.windows) for group in groups for row in group] == [2, 2, 2, 2]
    assert measure_rounds(groups, rounds=2, seconds=1e-9, limit=0) == 1


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    """10/10, 40/8 and 30/6 have the median 5; the medians themselves would give 30/8."""
    group = [make_row("notebook", [10.0, 8.0, 6.0]), make_row("training", [10.0, 40.0, 30.0])]
    assert describe_row(group[1], group)["ratio_to_notebook"] == {"median": 5, "min": 1, "max": 5}


def test_the_notebook_s_row_has_the_windows_of_all_groups():
    groups = [
        [make_row("notebook", [2.0, 4.0]), make_row("training", [8.0, 8.0])],
        [make_row("notebook", [1.0, 2.0]), make_row("training", [8.0, 8.0], engine="vector")],
    ]
    rows = describe_rows(groups)
    assert [row["name"] for row in rows] == ["notebook", "sync 16, training", "vector 16, training"]
    assert rows[0]["windows"] == [2, 4, 1, 2]
    assert [row["ratio_to_notebook"]["median"] for row in rows] == [1, 3, 6]


def test_the_fused_rows_have_a_ceiling_and_the_threads_are_compared(tmp_path):
    path = tmp_path / "record.json"
    flags = ["--engines", "fused", "--num-envs", "16", "256", "--seconds", "0.05", "--json", str(path)]
    assert steps_per_sec.main(flags) == 0
    record = json.loads(path.read_text())
    (note,) = [note for note in record["notes"] if "multiply-adds" in note]
    assert note.startswith("fused 16, training, 1 thread(s): its network's 3,840 multiply-adds a step are ")
    names = [row["name"] for row in record["rows"]]
    assert names[:3] == ["notebook", "fused 16, training, 1 thread(s)", "fused 256, training, 1 thread(s)"]
    for row in record["rows"][3:]:  # where there is a second core
        assert row["name"] == "fused 256, training, 2 thread(s)"
        assert row["ratio_to_one_thread"]["median"] > 0
    assert record["rows"][1]["ratio_to_notebook"]["median"] > 100


def test_multiply_adds_by_hand():
    """H = 256: W1 4 and 2 heads forward; 2 x 2 for the heads, 4 + 1 for W1 and its bias backward."""
    assert ceiling.multiply_adds_per_env_step() == 256 * (4 + 2) + 256 * (2 * 2 + 4 + 1)
    assert 1e8 < ceiling.measure_multiply_adds() < 1e12


def test_async_is_compared_with_sync_on_slow_environments():
    with ExitStack() as stack:
        group = slow_group("slow_environments:Waits-v0", 2, stack)
        measure_rounds([group], rounds=1, seconds=1e-9)
        assert len(multiprocessing.active_children()) == 2
    assert multiprocessing.active_children() == []
    sync, asynchronous = describe_rows([group])
    assert (sync["engine"], asynchronous["name"]) == ("sync", "Waits-v0, async 2, collecting alone")
    assert sync["ratio_to_sync"] is None and sync["ratio_to_notebook"] is None
    assert asynchronous["ratio_to_sync"]["median"] == asynchronous["median"] / sync["median"]


def test_slow_environments_spend_their_time_and_truncate_after_200_steps(monkeypatch):
    names = ("BurnsCpu", "Waits")
    burns, waits = (gym.make(f"slow_environments:{name}-v0", disable_env_checker=True) for name in names)
    assert [env.reset(seed=1)[0].dtype for env in (burns, waits)] == [np.float32] * 2
    cpu = time.thread_time()
    burns.step(0)
    assert time.thread_time() - cpu >= 0.008
    cpu, wall = time.thread_time(), time.perf_counter()
    waits.step(0)
    assert time.perf_counter() - wall >= 0.002
    assert time.thread_time() - cpu < 0.002
    monkeypatch.setattr(slow_environments, "BURN_SECONDS", 0.0)
    ends = [burns.step(0)[2:4] for _ in range(199)]
    assert ends == [(False, False)] * 198 + [(False, True)]


@pytest.mark.parametrize("module", ["slow_environments", "steps_per_sec"])
def test_what_worker_processes_import_is_free_of_torch(module):
    code = f"import sys; sys.path.insert(0, sys.argv[1]); import {module}; sys.exit('torch' in sys.modules)"
    assert support.run("-c", code, BENCHMARKS)[0] == 0


def test_the_notebook_s_update_prints_the_golden_numbers():
    model = ActorCritic()
    model.load_state_dict(golden_network().state_dict())
    optimizer = torch.optim.Adam(model.parameters(), lr=GOLDEN["settings"]["learning_rate"])
    for batch, expected in zip(golden_batches(), GOLDEN["updates"], strict=True):
        rows = zip(batch.obs, batch.action, batch.reward, batch.next_obs, batch.terminated, strict=True)
        data = [Step(s.numpy(), int(a), float(r), s2.numpy(), bool(done)) for s, a, r, s2, done in rows]
        assert_close(update(model, optimizer, data), expected["loss"])
        for name, parameter in model.named_parameters():
            for tensor, kind in ((parameter.grad, "grad"), (parameter.detach(), "params")):
                golden, flat = expected[kind][name], tensor.double().flatten()
                assert_close(flat.sum(), golden["sum"], golden["abs_sum"])
                assert_close(flat.abs().sum(), golden["abs_sum"])
                assert_close(flat[: len(golden["first"])], golden["first"], flat.abs().max().item())


def test_the_notebook_updates_every_ten_steps_and_where_the_episode_ends():
    with closing(Notebook()) as notebook:
        taken, ended_at = [], []
        while len(notebook.scores) < 5:
            taken.append(notebook.advance())
            if len(notebook.scores) > len(ended_at):
                ended_at.append(sum(taken))
            assert taken[-1] == 10 or (taken[-1] < 10 and ended_at[-1] == sum(taken))
        # CartPole's score is the episode's length.
        assert np.diff([0, *ended_at]).tolist() == notebook.scores
        (state, *_) = notebook.optimizer.state.values()
        assert state["step"] == len(taken)


def test_time_to_solve_counts_solved_seeds_only():
    names = ("solved_at_env_steps", "solved_at_seconds", "start_up_seconds", "process_seconds")
    numbers = ((100, 1.0, 5.0, 7.0), (None, None, 9.0, 30.0), (300, 4.0, 6.0, 11.0))
    runs = [dict(zip(names, run, strict=True)) for run in numbers]
    row = time_to_solve.describe_runs(time_to_solve.Options(), runs)
    assert (row["solved"], row["seeds"]) == (2, 3)
    assert row["env_steps_to_solve"] == {"median": 200, "min": 100, "max": 300}
    assert row["seconds_to_solve"] == {"median": 2.5, "min": 1, "max": 4}
    assert row["start_up_seconds"] == {"median": 6, "min": 5, "max": 9}
    assert row["process_seconds"] == {"median": 11, "min": 7, "max": 30}


def test_time_to_solve_runs_the_trainer(tmp_path):
    flags = ["--seeds", "1", "--num-envs", "2", "--max-steps", "60", "--json", tmp_path / "record.json"]
    code, stdout, stderr = support.run(BENCHMARKS / "time_to_solve.py", *flags)
    assert code == 0, stderr
    record = json.loads((tmp_path / "record.json").read_text())
    assert record.keys() >= RECORD_KEYS
    (row,) = record["rows"]
    assert (row["solved"], row["seeds"], row["env_steps_to_solve"]) == (0, 1, None)
    (run,) = row["runs"]
    assert run["start_up_seconds"] == pytest.approx(run["process_seconds"] - run["seconds"])
    assert run["start_up_seconds"] > 0
    assert 60 <= row["runs"][0]["env_steps"] < 80
    assert stdout.splitlines()[-1].startswith("solved: 0 of 1 seeds")
