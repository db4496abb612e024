"""What a recorder saves, and how another one goes on from it."""

import pytest
import torch
from scripted_run import EVALUATIONS, ScriptedRun
from support import read_csv, read_scalars

from vecac.engines.contracts import Report
from vecac.recording import metrics


@pytest.fixture
def start(tmp_path, monkeypatch):
    def start(name="run", content=None, **settings):
        return ScriptedRun(tmp_path / name, monkeypatch, content, **settings)

    return start


@pytest.mark.parametrize("stop_reason", ["interrupted", "finished"])
def test_best_is_the_row_with_the_highest_mean_of_100_episodes(start, stop_reason):
    run = start()
    run.update(100, [400] * 99)
    assert not run.has("best")
    run.update(200, [100] * 100)
    assert run.saved("best") == 200
    run.update(300, [50] * 100)
    assert run.saved("best") == 200
    run.update(350, [300] * 100)  # better, but no row
    assert run.saved("best") == 200
    run.update(410, [200] * 100)
    assert run.saved("best") == 410
    run.update(500)  # an equal mean is no better one
    assert run.saved("best") == 410
    run.update(550 if stop_reason == "interrupted" else 1000, [201] * 100)
    run.recorder.stop()
    run.finish(stop_reason)
    # The row of an interruption is cut off when the run is resumed, so it leaves no checkpoint.
    assert run.saved("best") == (410 if stop_reason == "interrupted" else 1000)


def test_the_best_parameters_wait_for_the_next_flush_and_are_those_of_their_row(start, monkeypatch):
    monkeypatch.setattr(metrics, "FLUSH_SECONDS", 1e9)
    run = start()
    run.update(100, [400] * 100)
    assert not run.has("best")  # a fast engine would write more often than it learns
    monkeypatch.setattr(metrics, "FLUSH_SECONDS", -1)
    run.update(150)
    assert run.has("best")
    assert run.saved("best") == 100


def test_fewer_than_100_episodes_make_no_best(start):
    run = start(total_timesteps=100)
    run.update(100, [500] * 99)
    run.finish("finished", EVALUATIONS)
    assert run.has("latest")
    assert not run.has("best")


def test_latest_is_saved_at_the_interval_and_at_the_end(start):
    run = start(checkpoint_interval=10.0)
    run.update(10, seconds=9.9)
    assert not run.has("latest")
    run.update(20, seconds=0.2)
    assert run.saved("latest") == 20
    assert run.load()["config"]["checkpoint_interval"] == 10.0
    run.update(30, seconds=9.9)
    assert run.saved("latest") == 20
    run.update(40, seconds=0.2)
    assert run.saved("latest") == 40
    run.update(50, seconds=1.0)
    assert run.saved("latest") == 40
    run.recorder.stop()
    assert run.saved("latest") == 50


def test_latest_holds_all_that_the_run_needs_to_go_on_and_best_what_an_evaluation_needs(start):
    run = start(checkpoint_interval=10.0)
    run.update(100, [5] * 100)
    run.update(120, [6], seconds=10.0)
    latest, best = run.load(), run.load("best")
    evaluated = {"format_version", "config", "network", "optimizer", "env_steps", "updates"}
    assert set(best) == evaluated
    assert set(latest) == evaluated | {"engine", "run"}
    assert latest["engine"] == {"at": 120}
    assert latest["run"]["statistics"]["episodes"] == 101


def test_a_checkpoint_holds_the_optimizer_too(start):
    run = start()
    run.engine.network(torch.ones(1, 4))[1].sum().backward()
    run.engine.optimizer.step()
    run.finish("interrupted")
    state = run.load()["optimizer"]["state"]
    assert all(entry["step"] == 1 for entry in state.values())
    assert state


def test_what_is_on_disk_is_not_written_again(start, monkeypatch):
    monkeypatch.setattr(metrics, "FLUSH_SECONDS", -1)
    run = start(checkpoint_interval=10.0)
    run.update(100, [5] * 100, seconds=10.0)
    for name in ("latest", "best"):
        (run.dir / "checkpoints" / f"{name}.pt").unlink()
    run.update(200)
    assert run.rows_at() == [100, 200]
    assert not (run.has("latest") or run.has("best"))


# Env steps and finished episodes. The rows: 130 with 90 episodes; 205 with a mean of 460 over the last 100;
# 340 with 481, where CartPole's 475 is reached; 410 with 492, the best; 520, and the end.
HISTORY = [
    (60, [10] * 30),
    (130, [500] * 60),
    (170, [400] * 40),
    (205, []),
    (240, [470] * 30),
    (340, [500] * 60),
    (380, []),
    (410, [490] * 20),
    (520, [300] * 30),
    (590, [480]),
]


def go_through(run, history):
    for env_steps, returns in history:
        run.update(env_steps, returns, collect_seconds=0.5, learn_seconds=0.25)


@pytest.mark.parametrize("at", range(1, len(HISTORY)))
@pytest.mark.parametrize("ending", ["a signal", "a kill"])
def test_a_run_that_was_cut_anywhere_records_the_same_as_one_that_was_not(start, at, ending):
    whole = start("whole")
    go_through(whole, HISTORY)
    expected = whole.finish("finished", EVALUATIONS)

    cut = start("cut", checkpoint_interval=1e-9 if ending == "a kill" else 60.0)
    go_through(cut, HISTORY[:at])
    if ending == "a kill":
        assert cut.saved("latest") == HISTORY[at - 1][0]
        content = cut.load()
        cut.update(450, [500] * 100)  # what came after the last checkpoint is lost
        cut.recorder.recorder.writer.log.flush()
    else:
        cut.recorder.stop()
        cut.finish("interrupted")
        content = cut.load()
    resumed = start("cut", content)
    resumed.recorder.start(is_new=False)
    go_through(resumed, HISTORY[at:])
    assert resumed.finish("finished", EVALUATIONS) == expected
    assert read_csv(resumed.dir) == read_csv(whole.dir)
    assert read_scalars(resumed.dir) == read_scalars(whole.dir)
    assert resumed.saved("best") == whole.saved("best") == 410
    assert expected["solved_at_env_steps"] == 340


def test_time_that_passed_between_two_processes_does_not_count(start):
    run = start()
    run.update(90, seconds=3.0)
    run.recorder.stop()
    resumed = start(content=run.load())
    resumed.now += 1000.0  # compiling, starting workers
    resumed.recorder.start(is_new=False)
    resumed.update(100, seconds=1.0)
    (row,) = resumed.rows()
    assert (row["time/time_elapsed"], row["time/fps"]) == ("4.0", "25.0")


def test_a_row_that_the_end_left_out_is_made_up_for_when_the_run_goes_on(start):
    run = start(total_timesteps=200)
    run.update(100)
    run.update(200)
    run.finish("finished", EVALUATIONS)
    assert run.rows_at() == [100, 200]
    resumed = start(content=run.load(), total_timesteps=300)
    assert resumed.rows_at() == [100]  # without the evaluation, which would stand in the middle
    resumed.recorder.start(is_new=False)
    resumed.update(300)
    resumed.finish("finished", EVALUATIONS)
    assert resumed.rows_at() == [100, 200, 300]
    assert [row["train/loss"] for row in resumed.rows()] == ["100.0", "200.0", "300.0"]
    assert [row["eval/mean_reward"] for row in resumed.rows()] == ["", "", "2.0"]


def test_the_last_update_before_the_cut_is_what_the_next_row_tells_of(start):
    run = start()
    run.update(90)
    run.recorder.stop()
    resumed = start(content=run.load())
    resumed.recorder.start(is_new=False)
    resumed.engine.env_steps, resumed.now = 100, 60.0
    resumed.recorder.record(Report())
    resumed.recorder.save_if_due()
    (row,) = resumed.rows()
    assert (row["train/loss"], row["train/n_updates"]) == ("90.0", "1")
