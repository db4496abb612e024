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
    assert "could not be saved in" in writer.finish(result(stop_reason="finished"))
    away.rename(tmp_path / "run")
    assert writer.finish(result(stop_reason="finished")) is None
    assert checkpoint.load(tmp_path / "run" / "checkpoints" / "latest.pt")["env_steps"] == 7
    writer.correct(result(stop_reason="failed"))
    assert json.loads((tmp_path / "run" / "result.json").read_text())["stop_reason"] == "failed"
    assert len(writer.warnings) == 2


def test_rows_are_flushed_with_the_state_that_they_lead_to(writer, tmp_path):
    writer.log.write(5, {"train/loss": 0.5})
    writer.save_last(CONTENT)
    assert len((tmp_path / "run" / "progress.csv").read_text().splitlines()) == 2
