from types import SimpleNamespace

import pytest

from vecac.recording import clock
from vecac.recording.clock import RunClock


def resumed_clock(state):
    clock = RunClock()
    clock.load_state_dict(state)
    return clock


@pytest.fixture
def wait(monkeypatch):
    """Time stands still but for calls of this."""
    now = [1000.0]
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def wait(seconds):
        now[0] += seconds

    return wait


def test_seconds_count_from_its_making_until_it_stops(wait):
    run_clock = RunClock()
    assert run_clock.seconds() == 0
    wait(2.5)
    assert run_clock.seconds() == 2.5
    run_clock.stop()
    wait(100.0)
    assert run_clock.seconds() == 2.5
    run_clock.stop()  # only the first time counts
    assert run_clock.seconds() == 2.5


def test_a_row_tells_of_the_time_since_the_row_before(wait):
    run_clock = RunClock()
    wait(3.0)
    run_clock.add(1.5, 0.5)
    wait(1.0)
    run_clock.add(0.5, 0.25)
    assert run_clock.row_env_steps == 0
    assert run_clock.row(800) == {
        "time/fps": 200.0,  # 800 env steps in 4 s
        "time/total_timesteps": 800,
        "time/time_elapsed": 4.0,
        "time/collect_fraction": 0.5,  # 2 s of 4
        "time/learn_fraction": 0.1875,  # 0.75 s of 4
    }
    assert run_clock.row_env_steps == 800
    wait(2.0)
    run_clock.add(0.5, 1.0)
    assert run_clock.row(900) == {
        "time/fps": 50.0,
        "time/total_timesteps": 900,
        "time/time_elapsed": 6.0,
        "time/collect_fraction": 0.25,
        "time/learn_fraction": 0.5,
    }


def test_a_pause_does_not_count(wait):
    run_clock = RunClock()
    wait(3.0)
    with run_clock.paused():
        wait(100.0)
    wait(1.0)
    assert run_clock.seconds() == 4.0
    with pytest.raises(ZeroDivisionError), run_clock.paused():
        wait(50.0)
        raise ZeroDivisionError
    row = run_clock.row(800)
    assert (row["time/fps"], row["time/time_elapsed"]) == (200.0, 4.0)
    assert run_clock.is_save_due(150.0)  # time for a checkpoint passes all the same


def test_a_row_after_the_stop_ends_there(wait):
    run_clock = RunClock()
    wait(2.0)
    run_clock.stop()
    wait(1000.0)
    row = run_clock.row(100)
    assert (row["time/fps"], row["time/time_elapsed"]) == (50.0, 2.0)


def test_a_clock_goes_on_from_a_state_as_if_no_time_had_passed(wait):
    run_clock = RunClock()
    wait(5.0)
    run_clock.row(700)
    wait(1.0)
    run_clock.add(0.5, 0.25)
    state = run_clock.state_dict()
    wait(1e6)
    resumed = resumed_clock(state)
    assert resumed.seconds() == 6.0
    assert resumed.row_env_steps == 700
    wait(1.0)
    resumed.add(0.5, 0.5)
    assert resumed.row(800) == {
        "time/fps": 50.0,  # 100 env steps in the second before and the second after
        "time/total_timesteps": 800,
        "time/time_elapsed": 7.0,
        "time/collect_fraction": 0.5,
        "time/learn_fraction": 0.375,
    }


def test_the_state_of_a_clock_that_has_stopped_is_that_of_its_stop(wait):
    run_clock = RunClock()
    wait(3.0)
    run_clock.stop()
    wait(50.0)
    resumed = resumed_clock(run_clock.state_dict())
    wait(1.0)
    assert resumed.seconds() == 4.0
    assert resumed.row(40)["time/fps"] == 10.0  # in 3 + 1 s


def test_a_save_is_due_when_the_interval_has_passed_since_the_last_that_was(wait):
    run_clock = RunClock()
    wait(9.5)
    assert not run_clock.is_save_due(10.0)
    wait(0.5)
    assert run_clock.is_save_due(10.0)
    assert not run_clock.is_save_due(10.0)
    wait(9.5)
    assert not run_clock.is_save_due(10.0)
    wait(1.0)
    assert run_clock.is_save_due(10.0)


def test_a_resumed_run_saves_an_interval_after_it_began(wait):
    run_clock = RunClock()
    wait(9.0)
    resumed = resumed_clock(run_clock.state_dict())
    wait(9.0)
    assert not resumed.is_save_due(10.0)
    wait(1.0)
    assert resumed.is_save_due(10.0)
