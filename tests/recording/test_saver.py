import pytest

from vecac.recording.saver import Saver
from vecac.shell.console import Console


@pytest.fixture
def saver():
    return Saver(Console(1000, quiet=True).warning, "logs/run")


def full():
    raise OSError(28, "No space left on device")


def gone():
    raise FileNotFoundError(2, "No such file or directory", "logs/run/progress.csv")


def test_what_can_be_written_is_written_in_silence(saver, capsys):
    written = []
    assert saver.attempt(lambda: written.append(1)) is True
    assert written == [1]
    assert saver.failure is None
    assert capsys.readouterr() == ("", "")


def test_the_first_failure_and_the_recovery_are_told_once_each(saver, capsys):
    failing = (
        "warning: logs/run cannot be written to: No space left on device; training goes on, and saving is "
        "tried again\n"
    )
    assert saver.attempt(full) is False
    assert saver.failure == "No space left on device"
    assert capsys.readouterr() == ("", failing)  # though quiet

    assert saver.attempt(full) is False
    assert saver.attempt(gone) is False
    assert saver.failure == "No such file or directory"  # the latest one
    assert capsys.readouterr() == ("", "")

    assert saver.attempt(lambda: None) is True
    assert saver.failure is None
    assert capsys.readouterr() == ("", "warning: logs/run can be written to again\n")

    assert saver.attempt(lambda: None) is True
    assert capsys.readouterr() == ("", "")
    assert saver.attempt(full) is False
    assert capsys.readouterr() == ("", failing)


def test_only_what_the_system_refuses_is_tried_again(saver, capsys):
    def defect():
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        saver.attempt(defect)
    assert saver.failure is None
    assert capsys.readouterr() == ("", "")


def test_an_error_without_a_number_says_what_it_says(saver):
    def fail():
        raise OSError("the disk is on fire")

    assert saver.attempt(fail) is False
    assert saver.failure == "the disk is on fire"
