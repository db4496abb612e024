import io
import math
import os
import re
import select
import struct
import sys
from types import SimpleNamespace

import pytest

from vecac.shell import console
from vecac.shell.console import Console


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def on_a_terminal(monkeypatch):
    """To be called by the test itself: between a fixture and its test pytest changes sys.stdout."""

    def on_a_terminal():
        monkeypatch.setattr("sys.stdout", Terminal())
        return sys.stdout

    return on_a_terminal


def test_a_plain_line_every_five_seconds_where_there_is_no_terminal(clock, capsys):
    shown = Console(total=10_000, quiet=False)
    clock.now += 4.9
    shown.progress(1000, 500.0, 20.0)
    assert capsys.readouterr().out == ""
    clock.now += 0.1
    shown.progress(2000, 400.0, 21.25)
    assert capsys.readouterr() == (
        "2,000 of 10,000 env steps, 400 a second, mean return 21.2, 20 s left\n",
        "",
    )
    clock.now += 4.9
    shown.progress(3000, 400.0, 22.0)
    assert capsys.readouterr().out == ""
    clock.now += 0.1
    shown.progress(4000, 1234.5, 22.0)
    assert capsys.readouterr().out.startswith("4,000 of 10,000 env steps, 1,234 a second, ")


def test_the_last_update_may_overshoot_the_total(clock, capsys):
    shown = Console(total=1000, quiet=False)
    clock.now += 60
    shown.progress(1100, 100.0, 9.0)
    assert capsys.readouterr().out.endswith("mean return 9.0, 0 s left\n")


def test_environments_so_slow_that_no_env_step_has_been_counted_yet(clock, capsys):
    shown = Console(total=1000, quiet=False)
    clock.now += 60
    shown.progress(0, 0.0, math.nan)
    assert capsys.readouterr().out.startswith("0 of 1,000 env steps")


def test_a_bar_with_the_mean_return_on_a_terminal(on_a_terminal):
    terminal = on_a_terminal()
    shown = Console(total=10_000, quiet=False)
    shown.progress(2500, 500.0, 12.345)
    shown.progress(7500, 500.0, 23.456)
    shown._bar.refresh()
    shown.close()
    last = bars(terminal.getvalue())[-1]
    assert last.startswith("mean return 23.5  75%|")
    assert "7.50k/10.0k" in last
    assert re.fullmatch(r"\r +\r", terminal.getvalue()[-len(last) - 2 :])  # what follows takes its place
    shown.close()


def test_the_progress_of_an_evaluation_takes_the_place_of_the_bar(on_a_terminal):
    terminal = on_a_terminal()
    shown = Console(total=10_000, quiet=False)
    shown.progress(2500, 500.0, 12.345)
    shown.evaluation("best, greedy", 25, 100, 12_345)
    shown._bar.refresh()
    assert bars(terminal.getvalue())[-1].startswith("evaluating (best, greedy)  25%|")
    shown.close()


def test_the_progress_of_an_evaluation_in_lines(clock, capsys):
    shown = Console(total=10_000, quiet=False)
    shown.evaluation("greedy", 0, 100, 16)
    assert capsys.readouterr().out == ""
    clock.now += 60
    shown.evaluation("greedy", 3, 100, 70_000)
    shown.evaluation("greedy", 4, 100, 70_016)
    assert capsys.readouterr().out == "evaluating (greedy): 3 of 100 episodes, 70,000 steps\n"
    clock.now += 60
    quiet = Console(total=10_000, quiet=True)
    quiet.evaluation("greedy", 3, 100, 70_000)
    assert capsys.readouterr().out == ""


def bars(written):
    return [bar.strip() for bar in written.split("\r") if bar.strip()]


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (120, r"mean return -1234\.6  99%\|.{9,}\| 990M/1\.00G \[1:00:00<00:36, \d+k steps/s\]"),
        (80, r"mean return -1234\.6  99%\|.{9,}\| 990M/1\.00G \[1:00:00<00:36, \d+k steps/s\]"),
        (79, r"mean return -1234\.6  99%\|.{9,}\| 990M/1\.00G \[1:00:00<00:36\]"),
        (60, r"mean return -1234\.6  99%\|.{6,}\| 990M/1\.00G \[1:00:00<00:36\]"),
        (59, r"mean return -1234\.6  99%\|.{9,}\| 00:36 left"),
        (40, r"mean return -1234\.6  99%\|.{2,}\| 00:36 left"),
        (39, r"mean return -1234\.6  99%"),
        (19, r"mean return -1234\.6"),
        (0, r"mean return -1234\.6  99%\|.{9,}\| 990M/1\.00G \[1:00:00<00:36, \d+k steps/s\]"),
    ],
)
def test_the_mean_return_is_shown_at_any_width(on_a_terminal, monkeypatch, columns, shown):
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = on_a_terminal()
    console = Console(total=1_000_000_000, quiet=False)
    console.progress(0, 1.0, -1234.56)
    console._bar.start_t -= 3600
    console.progress(990_000_000, 1.0, -1234.56)
    console._bar.refresh()
    console.close()
    last = bars(terminal.getvalue())[-1]
    assert re.fullmatch(shown, last), last
    assert len(last) <= (columns or 80)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
def test_the_bar_follows_the_width_of_the_terminal(monkeypatch):
    import fcntl
    import termios

    ours, terminal = os.openpty()
    with open(terminal, "w") as stdout, open(ours, "rb", buffering=0) as screen:
        monkeypatch.setattr("sys.stdout", stdout)
        monkeypatch.setattr("sys.__stdout__", stdout)
        monkeypatch.delenv("COLUMNS", raising=False)
        shown = Console(total=100, quiet=False)
        for step, columns in enumerate((120, 60, 40, 80)):
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            shown.progress(step, 1.0, 23.456)
            shown._bar.refresh()
            drawn = b""
            while select.select([screen], [], [], 0.1)[0]:
                drawn += screen.read(10_000)
            last = bars(drawn.decode())[-1]
            assert last.startswith("mean return 23.5 ")
            assert len(last) == columns
        shown.close()


def test_a_bar_of_text_in_a_notebook_whose_kernel_has_no_widgets(monkeypatch):
    """Of 80 columns, whatever the terminal has that the kernel was started from."""
    monkeypatch.setattr(console, "in_notebook", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.stdout", io.StringIO())
    shown = Console(total=10_000, quiet=False)
    shown.progress(7500, 500.0, 23.456)
    shown._bar.refresh()
    written = sys.stdout.getvalue()
    last = bars(written)[-1]
    assert last.startswith("mean return 23.5  75%|")
    assert len(last) == 80
    assert "\n" not in written
    shown.close()
    assert re.fullmatch(r"\r +\r", sys.stdout.getvalue().removeprefix(written))


def test_lines_are_printed_at_once(monkeypatch):
    flushed = []
    out = io.StringIO()
    out.flush = lambda: flushed.append(out.getvalue())
    monkeypatch.setattr("sys.stdout", out)
    Console(total=10, quiet=False).line("run folder: x")
    assert flushed == ["run folder: x\n"]


def test_quiet_prints_nothing(clock, capsys):
    shown = Console(total=10_000, quiet=True)
    shown.line("hello")
    clock.now += 60
    shown.progress(2000, 400.0, 21.0)
    shown.close()
    assert capsys.readouterr() == ("", "")


def test_quiet_draws_no_bar_either(on_a_terminal):
    terminal = on_a_terminal()
    shown = Console(total=10_000, quiet=True)
    shown.line("hello")
    shown.progress(2000, 400.0, 21.0)
    shown.close()
    assert terminal.getvalue() == ""


def test_a_study_tells_runs_speed_time_left_and_who_leads(clock, capsys):
    shown = Console(total=1, quiet=False)
    clock.now += 60
    shown.study(1234, 2000, 1.25e6, 7.6, (3, "--gamma 0.9"))
    assert capsys.readouterr().out == (
        "1,234 of 2,000 runs, 1,250,000 env steps a second, 8 s left, leading: --gamma 0.9\n"
    )
    clock.now += 60
    shown.study(0, 2000, 0.0, None, None)
    assert capsys.readouterr().out == "0 of 2,000 runs, 0 env steps a second\n"


@pytest.mark.parametrize(("rate", "said"), [(1.25e6, "1.2 M env steps/s"), (4321.0, "4,321 env steps/s")])
def test_its_bar_names_the_leader_by_number(clock, monkeypatch, on_a_terminal, rate, said):
    monkeypatch.setattr(console.shutil, "get_terminal_size", lambda *_, **__: os.terminal_size((80, 24)))
    terminal, shown = on_a_terminal(), Console(total=1, quiet=False)
    shown.study(500, 1000, rate, 7.6, (3, "--gamma 0.9"))
    bar = terminal.getvalue().split("\r")[-1]
    assert bar.startswith(f"{said}, leading: 3 ")
    assert "/1.00k [" in bar
    shown.close()
