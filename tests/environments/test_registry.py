from types import SimpleNamespace

import pytest
from gymnasium.vector import AutoresetMode

from vecac.environments.registry import (
    AUTORESET_MODES,
    find_spec,
    require_mode,
)
from vecac.errors import UsageError


def test_threshold_comes_from_the_registry():
    assert find_spec("CartPole-v1").reward_threshold == 475.0
    assert find_spec("scripted_environments:Counting-v0").reward_threshold == 1000.0
    assert find_spec("scripted_environments:Random-v0").reward_threshold is None


def test_a_module_is_imported_to_find_its_environment():
    assert find_spec("scripted_environments:Echo-v0").id == "Echo-v0"


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        ("no_such_module:Id-v0", "module no_such_module cannot be imported"),
        ("scripted_environments:NoSuch-v0", "NoSuch"),
        ("CartPole-v77", "CartPole"),
        (":", "'' is no module's name"),
        (".sibling:Id-v0", "no module's name"),
        ("a module:Id-v0", "no module's name"),
    ],
)
def test_unknown_ids_are_explained(env_id, message):
    with pytest.raises(UsageError, match=message):
        find_spec(env_id)


@pytest.mark.parametrize(
    ("env_id", "meant"),
    [
        ("CartPole", "CartPole-v1"),
        ("cartpole-v1", "CartPole-v1"),
        ("CARTPOLE", "CartPole-v1"),
        ("CartPole-v77", "CartPole-v1"),
        ("CartPole-v1 ", "CartPole-v1"),
        ("Cart-Pole-v0", "CartPole-v1"),
        ("LunarLander-v2", "LunarLander-v3"),
        ("HalfCheetah-v1", "HalfCheetah-v5"),
        ("phys2d/cartpole", "phys2d/CartPole-v1"),
        ("MountainCarr-v0", "MountainCar-v0"),
        ("gymnasium:Acrobot", "gymnasium:Acrobot-v1"),
        ("scripted_environments:Counting", "scripted_environments:Counting-v0"),
    ],
)
def test_an_unknown_id_is_suggested_the_nearest_in_its_newest_version(env_id, meant):
    with pytest.raises(UsageError) as caught:
        find_spec(env_id)
    assert str(caught.value) == f"--env-id {env_id} is not registered: did you mean {meant}?"


@pytest.mark.parametrize("env_id", ["ALE/Breakout-v5", "PongNoFrameskip-v4", "nowhere/Quux-v0", "Quux-v0"])
def test_what_is_near_nothing_is_told_how_to_be_found(env_id):
    with pytest.raises(UsageError) as caught:
        find_spec(env_id)
    message = str(caught.value)
    assert message.startswith(f"--env-id {env_id} is not registered: ")
    assert message.endswith("name module:Id-v0 with the module that registers it")
    assert len(message.splitlines()) == 1


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
