"""What is made of a study's times; a small measurement."""

import json

import pytest
import study_peers

from vecac.errors import UsageError

NAMES = ["vecac.study", "fused, 4,096 copies, training alone"]


@pytest.mark.linux
def test_a_small_measurement(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(study_peers, "find_spec", lambda name: None)  # JAX takes its time to compile
    record = tmp_path / "record.json"
    flags = ["--seeds", "12", "--total-timesteps", "20000", "--rounds", "1", "--seconds", "0.3"]
    assert study_peers.main([*flags, "--json", str(record)]) == 0
    study, alone = json.loads(record.read_text())["rows"]
    assert [study["name"], alone["name"]] == NAMES
    assert alone["study_ratio"] == pytest.approx(study["median"] / alone["median"])
    (timed,) = study["studies"]
    assert 0 < timed["first_row_seconds"] < timed["seconds"]
    assert study["median"] == pytest.approx(12 * 20_000 / timed["seconds"])
    memory = study["worker_megabytes"]
    assert 50 < memory["after_10_runs"] < 2000
    assert memory["ratio"] == pytest.approx(memory["after_12_runs"] / memory["after_10_runs"])
    assert "the first run's row is on disk" in capsys.readouterr().out


@pytest.mark.parametrize("flags", [{"seeds": 0}, {"rounds": 0}, {"seconds": 0.0}, {"total_timesteps": -1}])
def test_wrong_options_are_named(flags):
    with pytest.raises(UsageError, match="must be greater than 0"):
        study_peers.Options(**flags)
