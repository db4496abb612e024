"""Drivers; windows are in tests/test_evaluate.py, videos in tests/runs/test_filming.py."""

import os
import sys

import pytest

from vecac.environments.rendering import rendering

NAMES = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "MUJOCO_GL", "PYGAME_HIDE_SUPPORT_PROMPT")


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    for name in NAMES:
        monkeypatch.setenv(name, "")  # so that it is put back as it was
        monkeypatch.delenv(name)


def drivers(mode):
    with rendering("--flag", mode):
        return {name: os.environ[name] for name in NAMES[2:4] if name in os.environ}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there always is a display")
def test_pictures_need_no_display(monkeypatch):
    assert drivers("rgb_array") == {"SDL_VIDEODRIVER": "dummy", "MUJOCO_GL": "egl"}
    monkeypatch.setenv("SDL_VIDEODRIVER", "offscreen")
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    assert drivers("rgb_array") == {"SDL_VIDEODRIVER": "offscreen", "MUJOCO_GL": "osmesa"}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there always is a display")
@pytest.mark.parametrize(
    ("displays", "driver"),
    [([], "x11"), (["DISPLAY"], "x11"), (["WAYLAND_DISPLAY"], "wayland"), (NAMES[:2], "x11,wayland")],
)
def test_a_window_needs_a_display_that_there_is(monkeypatch, displays, driver):
    for name in displays:
        monkeypatch.setenv(name, "there")
    assert drivers("human") == {"SDL_VIDEODRIVER": driver}


def test_with_a_display_pictures_are_left_to_it(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    assert drivers("rgb_array") == {}
