"""A run that cannot be saved, or has diverged."""

import math
import shutil

import pytest
import torch
from scripted_run import ScriptedRun
from support import read_csv

from vecac.errors import RunFault
from vecac.recording import metrics


@pytest.fixture
def start(tmp_path, monkeypatch):
    return lambda **settings: ScriptedRun(tmp_path / "run", monkeypatch, **settings)


def test_a_folder_that_cannot_be_written_to_for_a_while_loses_nothing(start, capsys, monkeypatch):
    monkeypatch.setattr(metrics, "FLUSH_SECONDS", -1)
    run = start(checkpoint_interval=10.0)
    run.update(100, [5] * 100)
    elsewhere = run.dir.with_name("elsewhere")
    run.dir.rename(elsewhere)
    run.update(200, [6] * 100)
    assert capsys.readouterr().err == (
        f"warning: {run.dir} cannot be written to: No such file or directory; training goes on, and "
        "saving is tried again\n"
    )
    run.update(300, [7] * 100)
    run.update(350, seconds=20.0)
    assert not run.dir.exists()
    elsewhere.rename(run.dir)
    run.update(400)
    assert capsys.readouterr().err == f"warning: {run.dir} can be written to again\n"
    assert [int(row["time/total_timesteps"]) for row in read_csv(run.dir)] == [100, 200, 300, 400]
    assert run.load()["env_steps"] == 350
    assert run.load("best")["env_steps"] == 300
    result = run.finish("finished")
    assert (result["stop_reason"], result["error"]) == ("finished", None)


def test_a_checkpoint_is_never_newer_than_the_rows_before_it(start):
    run = start(checkpoint_interval=10.0)
    run.update(100, seconds=10.0)
    (events,) = run.dir.glob("events.out.tfevents.*")
    events.unlink()  # the log can no longer be written to, while checkpoints could
    run.update(200, seconds=10.0)
    assert run.load()["env_steps"] == 100


def test_a_run_whose_last_state_could_not_be_saved_has_failed(start):
    run = start()
    run.update(100)
    shutil.rmtree(run.dir / "checkpoints")
    result = run.finish("finished")
    assert result["stop_reason"] == "failed"
    assert result["error"] == (f"the last state could not be saved in {run.dir}: No such file or directory")
    assert run.rows_at() == [100]


def test_a_run_whose_result_could_not_be_written_has_failed(start):
    run = start()
    run.update(100)
    (run.dir / "result.json").mkdir()
    result = run.recorder.finish("finished")
    assert result.stop_reason == "failed"
    assert result.error == f"the last state could not be saved in {run.dir}: Is a directory"
    assert run.saved("latest") == 100


def test_what_made_a_run_fail_is_not_hidden_by_what_could_not_be_saved(start):
    run = start()
    run.update(100)
    shutil.rmtree(run.dir / "checkpoints")
    assert run.finish("failed", error="EnvironmentFault: environment 3 broke")["error"] == (
        "EnvironmentFault: environment 3 broke"
    )


def assert_diverged(run, env_steps, loss, grad_norm, **more):
    with pytest.raises(RunFault) as caught:
        run.update(env_steps, loss=loss, grad_norm=grad_norm, **more)
    assert str(caught.value) == (
        f"the loss ({loss}) or its gradient (norm {grad_norm}) is not finite by update 2, at {env_steps} "
        "env steps: lower --learning-rate or set --max-grad-norm; checkpoints hold the last good "
        "parameters"
    )


def test_an_engine_that_says_so_ends_the_run_at_once(start):
    run = start()
    run.update(60)
    assert_diverged(run, 70, 2.0, math.inf, diverged=True)


@pytest.mark.parametrize(("loss", "grad_norm"), [(math.nan, 0.5), (math.inf, 0.5), (3.0, math.nan)])
def test_a_row_that_is_not_finite_ends_the_run_and_leaves_the_checkpoint_as_it_is(start, loss, grad_norm):
    run = start(checkpoint_interval=10.0)
    run.update(60, seconds=10.0)
    run.engine.rollout = {"reward_TN": torch.ones(3, 2)}
    assert_diverged(run, 110, loss, grad_norm)
    assert run.rows_at() == [110]
    run.finish("failed", error="RunFault: diverged")
    assert run.saved("latest") == 60  # though the parameters still are finite
    assert run.saved("offending_rollout") == 110


def test_what_diverged_is_never_saved_and_its_rollout_is(start):
    run = start(checkpoint_interval=10.0)
    run.update(100, [5] * 100)
    run.update(150, seconds=10.0)
    assert (run.saved("latest"), run.saved("best")) == (150, 100)
    run.break_parameters()
    run.engine.rollout = {"reward_TN": torch.ones(3, 2)}
    with pytest.raises(RunFault):
        run.update(190, seconds=10.0)
    result = run.finish("failed", error="RunFault: diverged")
    assert (result["stop_reason"], result["error"]) == ("failed", "RunFault: diverged")
    assert (run.saved("latest"), run.saved("best")) == (150, 100)
    offending = run.load("offending_rollout")
    assert offending["rollout"]["reward_TN"].tolist() == [[1, 1], [1, 1], [1, 1]]
    assert torch.isnan(offending["network"]["fc1.weight"][0, 0])


def test_parameters_that_are_not_finite_are_never_the_best(start):
    run = start()
    run.break_parameters()
    with pytest.raises(RunFault, match="a parameter is not finite by update 1, at 100 env steps"):
        run.update(100, [5] * 100)
    run.recorder.recorder.writer._save_pending()
    assert not run.has("best")
    run.finish("failed", error="a parameter")
    assert not run.has("latest")
    assert not run.has("offending_rollout")  # there is none that is kept
