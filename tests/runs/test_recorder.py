"""The metrics of the last update are read once, and outlast a resumption."""

import math

import pytest

from vecac.runs.recorder import TrainMetrics


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
