import json
from dataclasses import dataclass
from pathlib import Path

import peers
import pytest
import steps_per_sec
import support
import time_to_solve
from record import make_record, write_record

from vecac.errors import UsageError


@dataclass(frozen=True)
class Options:
    seeds: int = 3
    json: Path | None = None


@pytest.mark.parametrize("benchmark", [steps_per_sec, time_to_solve, peers])
@pytest.mark.parametrize("path", ["missing/record.json", "folder"])
def test_a_file_that_could_not_be_written_is_refused_before_anything_is_measured(
    benchmark, path, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(benchmark, "_command", None)
    (tmp_path / "folder").mkdir()
    message = support.explained(benchmark.main(["--json", str(tmp_path / path)]), *capsys.readouterr())
    assert message == f"--json {tmp_path / path} cannot be written: name a file in a folder that there is"


def test_a_record_is_one_json_object_with_the_settings_that_count(tmp_path, capsys):
    options = Options(json=tmp_path / "record.json")
    record = make_record("any", options, {"cores": 2}, [{"windows": [1.0, 2.0]}])
    write_record(record, options.json)
    assert json.loads((tmp_path / "record.json").read_text()) == record
    assert record["settings"] == {"seeds": 3, "cores": 2}
    assert record.keys() == {
        *("benchmark", "hardware", "versions", "git_commit", "command_line", "settings", "notes", "rows")
    }
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    assert capsys.readouterr() == ("", "")


def test_without_a_file_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_record({"rows": []}, None)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_after_all_is_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"^--json .*record.json cannot be written: No such file"):
        write_record({"rows": []}, tmp_path / "gone" / "record.json")
