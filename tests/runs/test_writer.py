"""What cannot be written is said once, waits, and is written as soon as it can be."""

import json

import pytest

from vecac.recording import checkpoint
from vecac.runs.run import Result
from vecac.runs.writer import Writer

CONTENT = {"config": {}, "network": {}, "optimizer": {}, "env_steps": 7, "updates": 1}


@pytest.fixture
def writer(tmp_path):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    warnings = []
    writer = Writer(tmp_path / "run", {"seed": 1}, warnings.append)
    writer.warnings = warnings
    return writer


def result(**changes):
    return Result(**dict.fromkeys(Result.__dataclass_fields__) | changes)


def test_the_last_state_waits_for_a_folder_that_is_away(writer, tmp_path):
    away = (tmp_path / "run").rename(tmp_path / "away")
    writer.save_last(CONTENT)
    assert "cannot be written to" in writer.warnings[0]
    failed = writer.finish(result(stop_reason="finished"))
    assert failed.error == f"the last state could not be saved in {tmp_path}/run: No such file or directory"
    assert failed.stop_reason == "failed"
    away.rename(tmp_path / "run")
    finished = result(stop_reason="finished")
    assert writer.finish(finished) == finished
    assert checkpoint.load(tmp_path / "run" / "checkpoints" / "latest.pt")["env_steps"] == 7
    assert json.loads((tmp_path / "run" / "result.json").read_text())["stop_reason"] == "finished"
    assert len(writer.warnings) == 2


def test_a_result_that_can_be_written_tells_of_a_state_that_cannot(writer, tmp_path):
    (tmp_path / "run" / "checkpoints").rmdir()
    writer.save_last(CONTENT)
    writer.finish(result(stop_reason="finished"))
    told = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (told["stop_reason"], told["error"][:27]) == ("failed", "the last state could not be")
    writer.finish(result(stop_reason="failed", error="the cart broke"))  # which is not hidden
    told = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (told["stop_reason"], told["error"]) == ("failed", "the cart broke")


def test_rows_are_flushed_with_the_state_that_they_lead_to(writer, tmp_path):
    writer.log.write(5, {"train/loss": 0.5})
    writer.save_last(CONTENT)
    assert len((tmp_path / "run" / "progress.csv").read_text().splitlines()) == 2


def full():
    raise OSError(28, "No space left on device")


def gone():
    raise FileNotFoundError(2, "No such file or directory", "logs/run/progress.csv")


def test_the_first_failure_and_the_recovery_are_told_once_each(writer, tmp_path):
    refused = f"{tmp_path}/run cannot be written to: No space left on device"
    failing = f"{refused}; training goes on, and saving is tried again"
    writer._attempt(lambda: None)
    assert writer.warnings == []
    writer._attempt(full)
    assert (writer._failure, writer.warnings) == ("No space left on device", [failing])
    writer._attempt(full)
    writer._attempt(gone)
    assert (writer._failure, len(writer.warnings)) == ("No such file or directory", 1)  # the latest one
    writer._attempt(lambda: None)
    assert (writer._failure, writer.warnings[1:]) == (None, [f"{tmp_path}/run can be written to again"])
    writer._attempt(lambda: None)
    assert len(writer.warnings) == 2
    writer._attempt(full)
    assert writer.warnings[2:] == [failing]


def test_only_what_the_system_refuses_is_tried_again(writer):
    def defect():
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        writer._attempt(defect)
    assert (writer._failure, writer.warnings) == (None, [])


def test_an_error_without_a_number_says_what_it_says(writer):
    def fail():
        raise OSError("the disk is on fire")

    writer._attempt(fail)
    assert writer._failure == "the disk is on fire"
