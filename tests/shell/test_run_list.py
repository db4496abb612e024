"""python -m vecac.runs, on folders whose numbers are written by hand."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest
from run_folders import make_run
from support import explained, run

from vecac.runs.folder_lock import locked
from vecac.runs.listing import describe
from vecac.shell import run_list
from vecac.shell.run_list import Column, ListOptions, list_runs, main

RESULT = {
    "env_steps": 1_000_080,
    "last_100_return_mean": 499.75,
    "solved_at_env_steps": 390_755,
    "eval_return_mean": 500.0,
    "eval_return_std": 0.0,
}


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """A finished run, a failed one of another environment that was started later, and a dead one."""
    monkeypatch.chdir(tmp_path)
    logs = tmp_path / "logs"
    make_run(logs, "CartPole-v1__vecac__1__20261124-151914", (), RESULT)
    failed = {"stop_reason": "failed", "env_steps": 900, "error": "the loss is not finite"}
    make_run(logs, "Acrobot-v1__b__3__20261125-000000", (), failed, env_id="Acrobot-v1", run_name="b", seed=3)
    make_run(logs, "CartPole-v1__vecac__2__20261123-000000", [{"x": 500, "y": 9.5, "n": 100}], seed=2)
    return logs


def names(*arguments, capsys):
    """Of the folders, by what begins them, in the order of the list."""
    assert main(["--json", *arguments]) == 0
    return [entry["run_dir"].rpartition("/")[2][:1] + str(entry["seed"]) for entry in read(capsys)]


def read(capsys):
    stdout, stderr = capsys.readouterr()
    assert stderr == ""
    return json.loads(stdout)


def test_the_table(logs, capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    cells = [re.split(" {2,}", line) for line in lines]
    assert cells[0] == [
        *("run folder", "environment", "run", "seed", "state", "env steps", "last 100", "solved at"),
        "evaluated",
    ]
    assert cells[2:] == [
        ["Acrobot-v1__b__3__20261125-000000", "Acrobot-v1", "b", "3", "failed", "900", "-", "-", "-"],
        [
            *("CartPole-v1__vecac__1__20261124-151914", "CartPole-v1", "vecac", "1", "finished"),
            *("1,000,080", "499.8", "390,755", "500 +- 0"),
        ],
        [
            *("CartPole-v1__vecac__2__20261123-000000", "CartPole-v1", "vecac", "2", "dead"),
            *("500", "9.5", "-", "-"),
        ],
    ]
    assert {len(line) for line in lines} == {117}


def test_the_list_as_json(logs, capsys):
    assert main(["--json", "--state", "finished"]) == 0
    (entry,) = read(capsys)
    assert entry == {
        "run_dir": "logs/CartPole-v1__vecac__1__20261124-151914",
        "state": "finished",
        "started": "2026-11-24T15:19:14",
        "env_id": "CartPole-v1",
        "run_name": "vecac",
        "seed": 1,
        **RESULT,
        "error": None,
    }
    assert [*entry] == [*describe(logs).to_dict()]
    assert {*entry} - {"error"} == {*Column.__args__}


@pytest.mark.parametrize(
    ("arguments", "order"),
    [
        ([], ["A3", "C1", "C2"]),
        (["--reverse"], ["C2", "C1", "A3"]),
        (["--sort", "env_steps"], ["C2", "A3", "C1"]),
        (["--sort", "env_steps", "--reverse"], ["C1", "A3", "C2"]),
        (["--sort", "last_100_return_mean"], ["C2", "C1", "A3"]),
        (["--sort", "last_100_return_mean", "--reverse"], ["C1", "C2", "A3"]),  # unknown is last
        (["--sort", "state"], ["C2", "A3", "C1"]),
        (["--env-id", "CartPole-v1"], ["C1", "C2"]),
        (["--env-id", "CartPole-v1", "--state", "dead"], ["C2"]),
    ],
)
def test_which_runs_are_listed_in_which_order(logs, capsys, arguments, order):
    assert names(*arguments, capsys=capsys) == order


@pytest.mark.parametrize("column", Column.__args__)
def test_every_column_can_be_sorted_by(logs, column):
    values = [getattr(entry, column) for entry in list_runs(ListOptions(logs, sort=column, reverse=True))]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=column != "started")
    assert values[len(known) :] == [None] * (3 - len(known))


def test_a_run_in_progress(logs, capsys):
    with locked(logs / "CartPole-v1__vecac__2__20261123-000000"):
        assert names("--state", "running", capsys=capsys) == ["C2"]
    assert names("--state", "running", capsys=capsys) == []


def test_what_is_damaged_stops_no_list_and_is_explained(logs, capsys):
    (logs / "Acrobot-v1__b__3__20261125-000000/config.json").write_text("{")
    assert main([]) == 0
    stdout, stderr = capsys.readouterr()
    lines = stdout.splitlines()
    assert (len(lines), stderr) == (6, "")
    assert lines[2].split() == ["Acrobot-v1__b__3__20261125-000000", *"---", "damaged", *"----"]
    assert lines[5] == (
        "Acrobot-v1__b__3__20261125-000000: logs/Acrobot-v1__b__3__20261125-000000/config.json is damaged: "
        "it is not JSON"
    )


def test_what_a_file_says_stays_on_its_line(logs, capsys):
    path = make_run(logs, "a\nb", (), RESULT)
    (path / "config.json").write_text('{"env_id": "\\u001b[31mred\\n", "run_name": "\\u65e5"}')
    assert main(["--sort", "run_dir"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("a")]
    assert line.split()[:3] == ["a\\nb", "\\x1b[31mred\\n", "\u65e5"]


def test_one_run_by_its_folder(logs, capsys):
    assert main(["logs/CartPole-v1__vecac__2__20261123-000000"]) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("logs/CartPole-v1__vecac__2__20261123-000000 ")


@pytest.mark.parametrize(
    ("width", "header"),
    [
        (117, "run folder environment run seed state env steps last 100 solved at evaluated"),
        (116, "run folder environment seed state env steps last 100 solved at evaluated"),
        (97, "run folder seed state env steps last 100 solved at evaluated"),
        (91, "run folder state env steps last 100 solved at evaluated"),
        (80, "run folder state env steps last 100 evaluated"),
        (79, "run folder state last 100 evaluated"),
        (20, "run folder state evaluated"),
    ],
)
def test_a_narrow_terminal_shows_what_it_has_room_for(logs, width, header):
    lines = run_list.table(list_runs(ListOptions(logs)), logs, width)
    assert " ".join(lines[0].split()) == header
    assert len(lines) == 5
    assert max(map(len, lines)) <= max(width, 59)


@pytest.mark.linux
def test_a_terminal_s_width_is_asked_for(logs):
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "80", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-m", "vecac.runs"], stdout=theirs, env=environment, check=True)
    os.close(theirs)
    lines = os.read(ours, 100_000).decode().splitlines()
    os.close(ours)
    assert len(lines) == 5
    assert {len(line) for line in lines} == {80}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "logs has no run"),
        (["--env-id", "Pendulum-v1"], "logs has no run of Pendulum-v1"),
        (["--state", "running"], "logs has no run that is running"),
    ],
)
def test_where_there_is_no_run(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    assert main(arguments) == 0
    assert capsys.readouterr() == (f"{said}\n", "")
    assert main([*arguments, "--json"]) == 0
    assert capsys.readouterr() == ("[]\n", "")


@pytest.mark.parametrize("arguments", [["nowhere"], ["nowhere", "--json"], ["file"]])
def test_a_folder_that_there_is_not(logs, capsys, arguments):
    (logs.parent / "file").touch()
    message = explained(main(arguments), *capsys.readouterr())
    assert message.startswith(f"{arguments[0]} is no folder that can be read (")


@pytest.mark.parametrize("command", [["vecac.runs"], ["vecac", "runs"]])
def test_in_a_process_of_its_own(logs, command):
    code, stdout, stderr = run("-m", *command, "--json")
    assert (code, stderr, len(json.loads(stdout))) == (0, "", 3)


def test_it_loads_no_torch(logs):
    program = "import sys; from vecac.runs.__main__ import main; main([]); print('torch' in sys.modules)"
    code, stdout, stderr = run("-c", program)
    assert (code, stdout.splitlines()[-1], stderr) == (0, "False", "")


def test_help_shows_the_states(capsys):
    with pytest.raises(SystemExit) as exited:
        main(["--help"])
    assert exited.value.code == 0
    stdout = capsys.readouterr().out
    assert stdout.startswith("usage: python -m vecac.runs [-h] [OPTIONS] [PATH]\n")
    assert "running,finished,target_reached" in stdout.replace("\n", "")
