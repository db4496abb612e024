"""Which autoreset mode a vector environment has is read, and never assumed."""

from types import SimpleNamespace

import pytest
from gymnasium.vector import AutoresetMode

from vecac.environments.autoreset import AUTORESET_MODES, require_mode
from vecac.errors import UsageError


@pytest.mark.parametrize("asked", AUTORESET_MODES)
@pytest.mark.parametrize("has", AUTORESET_MODES)
def test_only_the_mode_that_was_asked_for_is_taken(asked, has):
    envs = SimpleNamespace(metadata={"autoreset_mode": AUTORESET_MODES[has]})
    if asked == has:
        require_mode("Any-v0", asked, envs)
        return
    with pytest.raises(
        UsageError, match=f"^--autoreset-mode {asked} is not .* use --autoreset-mode {has}, or"
    ):
        require_mode("Any-v0", asked, envs)


@pytest.mark.parametrize("metadata", [{}, {"autoreset_mode": "NextStep"}, {"autoreset_mode": None}])
def test_one_that_does_not_tell_is_refused(metadata):
    with pytest.raises(UsageError, match="does not say how its vector form resets"):
        require_mode("Any-v0", "next-step", SimpleNamespace(metadata=metadata))


def test_every_mode_of_gymnasium_has_a_name():
    assert set(AUTORESET_MODES.values()) == set(AutoresetMode)
