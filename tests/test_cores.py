"""Cores, where the system tells which of them a process may use, and where it does not."""

import os

import pytest

from vecac.cores import usable_cores


@pytest.mark.linux
def test_only_the_cores_that_are_given_count():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("told", "cores"), [(6, 6), (None, 1)])
def test_elsewhere_all_count(monkeypatch, told, cores):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: told)
    assert usable_cores() == cores
