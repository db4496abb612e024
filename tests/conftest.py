"""What every test starts from: one torch thread, since the networks are tiny, and default signals; and what
some ask for."""

import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch

import vecac


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("linux") and sys.platform != "linux":
            item.add_marker(pytest.mark.skip(reason="needs Linux"))


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def signals_as_before():
    """A command that was interrupted leaves its process deaf to further signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Commands put the working directory on sys.path; leave both as they were."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package in a folder of its own, with a cache of its own."""
    copy = tmp_path / "source" / "vecac"
    shutil.copytree(Path(vecac.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(copy.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr("support.ROOTS", (copy.parent,))
    monkeypatch.chdir(tmp_path)
    return copy
