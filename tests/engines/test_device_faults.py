"""A GPU that fails for good: the record is kept, and one line tells of it."""

import json
from pathlib import Path

import pytest
import torch
from scripted_run import ScriptedRun
from support import read_csv
from torch.utils._python_dispatch import TorchDispatchMode

from vecac.config import Config
from vecac.config_rules import flag
from vecac.engines.device_faults import device_error, device_errors_as, noted
from vecac.errors import EnvironmentFault, UsageError
from vecac.recording import checkpoint
from vecac.train import main, resume, train

COMPLAINT = "CUDA error: an illegal memory access was encountered"
ADVICE = "\nCUDA kernel errors might be asynchronously reported at some other API call.\nCompile with ..."


class FailingDevice(TorchDispatchMode):
    """Every operation raises once some updates were made, as on a GPU after an illegal access."""

    def __init__(self, updates):
        super().__init__()
        self.updates = updates

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if self.updates <= 0:
            raise torch.AcceleratorError(COMPLAINT + ADVICE)
        self.updates -= "_fused_adam_" in str(function)
        return function(*args, **(kwargs or {}))


TIMES = ("time/fps", "time/time_elapsed", "time/collect_fraction", "time/learn_fraction")


def without(row, *left_out):
    return {tag: text for tag, text in row.items() if not tag.startswith(left_out)}


SETTINGS = {"num_envs": 4, "total_timesteps": 10_000, "log_interval": 1000, "eval_episodes": 0}
SETTINGS |= {"learner": "torch", "autoreset_mode": "same-step", "checkpoint_interval": 0.02}


def test_a_device_that_fails_for_good_loses_no_row_no_result_and_no_checkpoint(tmp_path, capsys):
    flags = [text for name, value in SETTINGS.items() for text in (flag(name), str(value))]
    with FailingDevice(updates=200):
        assert main([*flags, "--quiet", "--log-dir", str(tmp_path / "failed")]) == 1
    failure = (
        f"the device failed: {COMPLAINT}; go on from the last checkpoint with --resume, on another --device "
        "if need be"
    )
    assert capsys.readouterr().err == f"error: {failure}\n"
    (run_dir,) = (tmp_path / "failed").iterdir()
    result = json.loads((run_dir / "result.json").read_text())
    assert (result["stop_reason"], result["error"]) == ("failed", f"RunFault: {failure}")
    assert (result["updates"], result["env_steps"]) == (199, 199 * 40)  # the 200th did not come back

    whole = train(Config(**SETTINGS, quiet=True, log_dir=str(tmp_path / "whole")))
    *rows, last = read_csv(run_dir)
    expected = read_csv(whole.run_dir)
    assert [without(row, *TIMES) for row in rows] == [without(row, *TIMES) for row in expected[:7]]
    assert int(last["time/total_timesteps"]) == result["env_steps"]
    assert int(last["rollout/episodes"]) == result["episodes"] > 100

    good = checkpoint.load(run_dir / "checkpoints" / "latest.pt")
    assert 0 < good["updates"] < 200
    resumed = resume(run_dir)
    assert resumed.stop_reason == "finished"
    ends = [checkpoint.load(run.run_dir / "checkpoints" / "latest.pt")["network"] for run in (resumed, whole)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.fixture
def start(tmp_path, monkeypatch):
    return lambda **settings: ScriptedRun(tmp_path / "run", monkeypatch, **settings)


def fail(*_):
    raise torch.AcceleratorError(COMPLAINT + ADVICE)


@pytest.mark.parametrize("error", [None, "RunFault: the device failed"])
@pytest.mark.parametrize("stops_first", [False, True])
def test_a_device_that_fails_in_the_end_fails_the_run(start, monkeypatch, error, stops_first):
    run = start(checkpoint_interval=10.0)
    run.update(100, [5] * 100, seconds=10.0)
    run.update(150, [6] * 100)
    if stops_first:
        run.recorder.stop()  # the last state is saved, and the device is not needed any more
    monkeypatch.setattr("vecac.algorithm.network.Network.is_finite", fail)
    if not stops_first:
        monkeypatch.setattr("vecac.learners.torch_learner.UpdateReport.read", fail)
    result = run.finish("failed" if error else "finished", error=error)
    row = run.rows()[-1]
    assert (row["time/total_timesteps"], row["rollout/episodes"]) == ("150", "200")
    assert row["train/loss"] == ("150.0" if stops_first else "")
    assert run.saved("latest") == (150 if stops_first else 100)
    assert run.saved("best") == 100
    if not stops_first:
        error = error or f"the last state could not be read: {COMPLAINT}"
    assert result["error"] == error
    assert result["stop_reason"] == ("failed" if error else "finished")
    assert result["best_env_steps"] == 100


def test_a_row_whose_metrics_cannot_be_read_is_made_up_for_without_them(start, monkeypatch):
    run = start()
    run.update(60)
    monkeypatch.setattr("vecac.learners.torch_learner.UpdateReport.read", fail)
    with pytest.raises(torch.AcceleratorError):
        run.update(100, [5])
    run.finish("failed", error="RunFault: the device failed")
    (row,) = run.rows()
    assert (row["time/total_timesteps"], row["rollout/episodes"], row["train/loss"]) == ("100", "1", "")


def test_the_best_parameters_wait_in_the_hosts_memory(start, monkeypatch):
    """`meta` is the other device here."""
    run = start()
    run.engine.network.to("meta")
    monkeypatch.setattr("vecac.algorithm.network.Network.is_finite", lambda network: True)
    monkeypatch.setattr(
        torch.Tensor, "cpu", lambda there: torch.zeros(there.shape) if there.is_meta else there
    )
    run.update(100, [5] * 100)
    monkeypatch.setattr(torch.Tensor, "cpu", lambda there: fail() if there.is_meta else there)
    run.recorder.recorder.writer._save_pending()
    assert run.load("best")["network"]["fc1.weight"].shape == (4, 4)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("CUDA error: no device\nmore"),
    ],
)
def test_a_device_that_cannot_be_used_is_refused_before_there_is_a_folder(tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("vecac.algorithm.network.Network.to", fail)
    first_line = str(error).partition("\n")[0]
    with pytest.raises(UsageError) as caught:
        train(Config(learner="torch", device="cpu", log_dir=str(tmp_path), quiet=True))
    assert str(caught.value) == f"--device cpu cannot be used: {first_line}; use another, or --device cpu"
    assert list(Path(tmp_path).iterdir()) == []


def test_what_is_no_fault_of_a_device_keeps_its_own_kind():
    for error in (
        RuntimeError("mat1 and mat2"),
        EnvironmentFault("environment 3 broke"),
        KeyError("CUDA error"),
    ):
        assert device_error(error) is None
        with pytest.raises(type(error)), device_errors_as(UsageError, "{}"):
            raise error
    for error in (
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when"),
        RuntimeError("CUDA driver error: 3"),
    ):
        assert device_error(error) == str(error)


def test_failures_are_noted_and_other_errors_are_not():
    failures = []
    for error in (RuntimeError("CUDA error: 1\nand so on"), RuntimeError("another")):
        with noted(failures):
            raise error
    with pytest.raises(KeyError), noted(failures):
        raise KeyError
    assert failures == ["CUDA error: 1", "RuntimeError: another"]
