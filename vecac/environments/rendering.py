"""Environments that are looked at: in a window, or as pictures, with or without a display."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import gymnasium as gym

from vecac.errors import EnvironmentFault, UsageError


@contextmanager
def rendering(flag: str, mode: str) -> Iterator[None]:
    """Make ready for environments of a render mode, human or rgb_array, and say what they lack.

    Raises:
        UsageError: the environment has not the mode, pygame is not installed, or there is no display.
    """
    _choose_drivers(mode)
    try:
        with warnings.catch_warnings():
            # Gymnasium only warns of an environment that cannot be shown, and calls it all the same.
            warnings.filterwarnings("error", ".*not in the possible render_modes")
            yield
    except (UsageError, EnvironmentFault) as fault:
        cause, pygame = fault.__cause__, sys.modules.get("pygame")
        if isinstance(cause, Warning):
            what = f"needs an environment whose metadata has the render mode {mode}: leave it out"
        elif isinstance(cause, gym.error.DependencyNotInstalled) and "pygame" in str(cause):
            extra = "render" if mode == "human" else "video"
            what = f"needs pygame: pip install -c constraints.txt -e '.[{extra}]'"
        elif pygame is not None and isinstance(cause, pygame.error):
            what = f"cannot open a window: {cause}; run it where there is a display"
        else:
            raise
        raise UsageError(f"{flag} {what}") from fault


def _choose_drivers(mode: str) -> None:
    """What SDL, with which pygame draws, and MuJoCo would find out wrongly where there is no display."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if sys.platform != "linux":
        return
    drivers = {"DISPLAY": "x11", "WAYLAND_DISPLAY": "wayland"}
    found = [driver for name, driver in drivers.items() if os.environ.get(name)]
    if mode == "human":  # left to itself, SDL takes memory for a window
        os.environ.setdefault("SDL_VIDEODRIVER", ",".join(found) or "x11")
    elif not found:
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        os.environ.setdefault("MUJOCO_GL", "egl")
