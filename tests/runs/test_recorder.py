"""The metrics of the last update are read once, and outlast a resumption; each part of it has its owner."""

import math

import pytest

from vecac.config import Config
from vecac.runs.recorder import Recorder, TrainMetrics


class Update:
    def __init__(self, loss):
        self.loss, self.reads = loss, 0

    def read(self):
        self.reads += 1
        return {"train/loss": self.loss}


def test_only_the_last_update_is_read_and_only_once():
    metrics, first, second = TrainMetrics(), Update(1.0), Update(2.0)
    assert metrics.read() == {}
    for update in (first, second, None):
        metrics.take(update)
    assert metrics.read() == metrics.read() == {"train/loss": 2.0}
    assert (first.reads, second.reads) == (0, 1)


def test_what_cannot_be_read_is_not_asked_for_again():
    metrics, update = TrainMetrics(), Update(1.0)
    update.read = lambda: 1 / 0
    metrics.take(update)
    with pytest.raises(ZeroDivisionError):
        metrics.read()
    assert metrics.read() == {}


def test_they_outlast_a_resumption():
    metrics, resumed = TrainMetrics(), TrainMetrics()
    metrics.take(Update(3.0))
    resumed.load_state_dict(metrics.state_dict())
    assert resumed.read() == {"train/loss": 3.0}
    resumed.load_state_dict({"train/entropy": math.inf})
    assert resumed.read() == {"train/entropy": math.inf}
    for wrong in ({"train/joy": 1.0}, {"train/loss": "low"}):
        with pytest.raises((LookupError, ValueError)):
            resumed.load_state_dict(wrong)


PARTS = ("statistics", "train_metrics", "solved", "clock", "log", "evaluation", "kept", "best_mean")


class Owner:
    def __init__(self):
        self.state = None

    def load_state_dict(self, state):
        if state == "wrong":
            raise TypeError("that is none")
        self.state = state


@pytest.fixture
def recorder(tmp_path):
    recorder = Recorder(Config(), tmp_path, None, print)
    assert tuple(recorder._parts) == PARTS
    recorder._parts = {name: Owner() for name in PARTS}
    return recorder


def test_every_owner_takes_its_part(recorder):
    recorder.load_state_dict({name: name for name in PARTS})
    assert {name: owner.state for name, owner in recorder._parts.items()} == {name: name for name in PARTS}


def test_parts_that_an_earlier_version_did_not_know_stay_as_new(recorder):
    known = [name for name in PARTS if name not in ("evaluation", "kept")]
    recorder.load_state_dict({name: name for name in known})
    assert {name for name, owner in recorder._parts.items() if owner.state is None} == {"evaluation", "kept"}


@pytest.mark.parametrize("wrong", PARTS)
def test_a_part_that_is_none_is_named(recorder, wrong):
    with pytest.raises(ValueError, match=f"^run.{wrong}: that is none$"):
        recorder.load_state_dict(dict.fromkeys(PARTS, 1) | {wrong: "wrong"})


@pytest.mark.parametrize("run", [5, {}, {"log": 1}, dict.fromkeys((*PARTS, "more"), 1)])
def test_parts_that_are_missing_or_too_many_are_refused(recorder, run):
    with pytest.raises(ValueError, match=r"^run has not the parts statistics, "):
        recorder.load_state_dict(run)
