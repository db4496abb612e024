import importlib

import pytest
from support import explained, run

import vecac
from vecac.__main__ import COMMANDS, main


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_it_says_which_commands_there_are(capsys, arguments):
    assert main(arguments) == 0
    stdout, stderr = capsys.readouterr()
    assert stderr == ""
    for command in (
        "python -m vecac.train ",
        "python -m vecac.evaluate ",
        "python -m vecac.study ",
        "python -m vecac.compare ",
        "python -m vecac.runs ",
        "python -m vecac.plot ",
        "python benchmarks/steps_per_sec.py ",
    ):
        (line,) = [line for line in stdout.splitlines() if line.startswith(command)]
        assert len(line) <= 80


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr() == (f"vecac {vecac.__version__}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_run_with_what_follows(monkeypatch, command):
    seen = []
    module = importlib.import_module(COMMANDS[command])
    monkeypatch.setattr(module, "main", lambda argv: seen.append(argv) or 7)
    assert main([command, "--seed", "3"]) == 7
    assert seen == [["--seed", "3"]]


@pytest.mark.parametrize("argument", ["studies", "--num-envs", ""])
def test_a_command_that_there_is_not(capsys, argument):
    message = explained(main([argument]), *capsys.readouterr())
    assert (
        message
        == f"there is no command {argument!r}: use train, evaluate, study, compare, export, plot, runs"
    )


def test_in_processes_of_their_own():
    code, stdout, stderr = run("-m", "vecac")
    assert (code, stderr) == (0, "")
    assert "python -m vecac.train " in stdout
    message = explained(*run("-m", "vecac", "trian"))
    assert message.startswith("there is no command 'trian'")
    code, stdout, stderr = run("-m", "vecac", "train", "--help")
    assert (code, stderr) == (0, "")
    assert "--num-envs" in stdout


def test_version_in_a_process_of_its_own():
    assert run("-m", "vecac.train", "--version") == (0, f"vecac {vecac.__version__}\n", "")
