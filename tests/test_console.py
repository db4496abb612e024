import io
import math
import os
import re
import select
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import vecac
from vecac.config import Config
from vecac.engines.evaluation import result_fields
from vecac.recording import console
from vecac.recording.console import Console, describe_result, describe_start
from vecac.recording.run_folder import Result


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


def test_describe_start_says_what_runs_where_it_is_recorded_and_how_to_watch_it():
    text = describe_start(Config(num_envs=4, learner="torch"), "cpu", 1, Path("logs/run"))
    assert text.splitlines() == [
        f"vecac {vecac.__version__}: CartPole-v1, 4 environments (sync, next-step), "
        "learning on cpu (torch) with 1 CPU thread(s)",
        "run folder: logs/run",
        "watch it:   tensorboard --logdir logs/run",
    ]


def test_describe_start_names_the_start_method_of_workers():
    config = Config(engine="async", start_method="spawn", autoreset_mode="disabled")
    assert "(async, spawn start, disabled)" in describe_start(config, "cuda:0", 8, Path("x"))


RESULT = Result(
    run_dir=Path("logs/run"),
    env_id="CartPole-v1",
    env_steps=1_000_010,
    updates=6251,
    episodes=4321,
    seconds=12.34,
    env_steps_per_s=81_038.1,
    last_100_return_mean=480.0,
    solved_at_env_steps=None,
    solved_at_seconds=None,
    best_env_steps=None,
    best_return_mean=None,
    **result_fields({}),
    stop_reason="finished",
    error=None,
    engine="sync",
    learner="torch",
    device="cpu",
    device_requested="auto",
    seed=1,
)
SOLVED = {"solved_at_env_steps": 345_678, "solved_at_seconds": 4.25}
EVALUATED = {
    "eval_episodes": 100,
    "eval_return_mean": 499.96,
    "eval_return_std": 0.25,
    "eval_sampled_return_mean": 450.04,
    "eval_sampled_return_std": 49.5,
}
BEST = {"best_env_steps": 480_000, "best_return_mean": 499.96}
BEST_EVALUATED = {
    "eval_best_return_mean": 498.0,
    "eval_best_return_std": 0.0,
    "eval_best_sampled_return_mean": 497.04,
    "eval_best_sampled_return_std": 7.0,
}
COUNTS = "1,000,010 env steps in 12.3 s (81,038 a second), 4,321 episodes"
SOLVED_LINE = "solved after 345,678 env steps, 4.2 s"
EVALUATION_LINE = (
    "evaluation over 100 episodes: greedy 500.0 +- 0.2, sampled 450.0 +- 49.5 "
    "(mean return, standard deviation)"
)
BEST_LINE = "best parameters, after 480,000 env steps (mean return 500.0 in training)"
BEST_EVALUATION_LINE = f"{BEST_LINE}: greedy 498.0 +- 0.0, sampled 497.0 +- 7.0"
CUT_LINE = "7 episodes did not end in evaluation, and were cut: --eval-max-steps"
RESUME = "go on with it: python -m vecac.train --resume logs/run"
AGAIN = "play it again: python -m vecac.evaluate logs/run"
LATEST = f"{AGAIN} --checkpoint latest"


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (EVALUATED | SOLVED, [f"finished: {COUNTS}", SOLVED_LINE, EVALUATION_LINE, AGAIN]),
        (EVALUATED, [f"finished: {COUNTS}", EVALUATION_LINE, AGAIN]),
        (SOLVED, [f"finished: {COUNTS}", SOLVED_LINE, AGAIN]),
        ({}, [f"finished: {COUNTS}", AGAIN]),
        ({"stop_reason": "interrupted"}, [f"interrupted: {COUNTS}", RESUME, AGAIN]),
        ({"stop_reason": "interrupted"} | BEST, [f"interrupted: {COUNTS}", BEST_LINE, RESUME, AGAIN]),
        (
            {"stop_reason": "target_reached"} | EVALUATED,
            [f"target reached: {COUNTS}", EVALUATION_LINE, AGAIN],
        ),
        (
            EVALUATED | BEST | BEST_EVALUATED,
            [f"finished: {COUNTS}", EVALUATION_LINE, BEST_EVALUATION_LINE, LATEST],
        ),
        (
            EVALUATED | BEST | BEST_EVALUATED | {"eval_return_mean": 498.0, "eval_return_std": 0.0},
            [
                f"finished: {COUNTS}",
                EVALUATION_LINE.replace("500.0 +- 0.2", "498.0 +- 0.0"),
                BEST_EVALUATION_LINE,
                AGAIN,
            ],
        ),
        (
            EVALUATED | BEST | {"best_env_steps": 1_000_010, "eval_best_return_mean": 499.96},
            [f"finished: {COUNTS}", EVALUATION_LINE, AGAIN],
        ),
        (EVALUATED | {"eval_cut_episodes": 7}, [f"finished: {COUNTS}", EVALUATION_LINE, CUT_LINE, AGAIN]),
    ],
    ids=[
        *("solved", "unsolved", "solved, not evaluated", "no evaluation", "interrupted"),
        *(
            "interrupted, with a best",
            "target",
            "the last is better",
            "as good",
            "the last is the best",
            "cut",
        ),
    ],
)
def test_describe_result(changes, lines):
    result = Result(**{**vars(RESULT), **changes})
    assert describe_result(result).splitlines() == lines
