"""Who does a study's runs."""

import pytest

from vecac.errors import UsageError
from vecac.shell import study_session
from vecac.shell.study_session import MOST_WORKERS, Machines


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": -1}, "--workers must be between 0 and 4,096, not -1"),
        ({"workers": MOST_WORKERS + 1}, "--workers must be between"),
        ({"workers": 2, "cluster": "auto"}, "--workers are of this machine, and --cluster uses others"),
    ],
)
def test_machines_that_cannot_be_are_refused(options, said):
    with pytest.raises(UsageError, match=said):
        Machines(**options)


@pytest.mark.parametrize(("workers", "started"), [(0, 7), (3, 3)])
def test_there_is_a_process_a_core_or_as_many_as_are_asked_for(monkeypatch, workers, started):
    monkeypatch.setattr(study_session, "usable_cores", lambda: 7)
    monkeypatch.setattr("vecac.studies.workers.Workers", lambda count: count)
    assert Machines(workers).start() == started


def test_a_cluster_needs_its_package(monkeypatch):
    monkeypatch.setattr("vecac.extras.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"ray is not installed: pip install .*'\.\[cluster\]'"):
        Machines(cluster="auto").start()
