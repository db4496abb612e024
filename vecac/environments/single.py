"""One copy of an environment: what makes it, and what it is asked before there are many."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from gymnasium.spaces import flatdim

from vecac.actions import ActionForm
from vecac.config_parts import EnvironmentSettings
from vecac.config_rules import typed
from vecac.environments.action_space import action_form
from vecac.environments.observations import require_observation_space
from vecac.environments.worker import EnvironmentFactory
from vecac.errors import EnvironmentFault, UsageError


def factory(settings: EnvironmentSettings, index: int, render_mode: str | None = None) -> EnvironmentFactory:
    """What makes one copy, in this process or in a worker's."""
    given = keywords(settings, render_mode)
    return EnvironmentFactory(settings.env_id, index, os.getpid(), given, settings.wrapper)


def keywords(settings: EnvironmentSettings, render_mode: str | None = None) -> dict[str, Any]:
    """For gym.make; None is the same as leaving out what an environment need not know."""
    options = {"render_mode": render_mode, "max_episode_steps": settings.max_episode_steps}
    return {**settings.env_kwargs, **{name: value for name, value in options.items() if value is not None}}


class Spaces(NamedTuple):
    """The spaces of one copy, as a wrapper would see them, and what they are to a network."""

    observation: Any
    action: Any
    obs_size: int
    form: ActionForm


def ask_single(settings: EnvironmentSettings) -> Spaces:
    """The spaces of one copy, which is made to be asked; UsageError as make_environments."""
    with made(settings), closing(factory(settings, 0)()) as env:
        spaces = env.shown_space, env.action_space
        return Spaces(*spaces, *require_spaces(settings, *spaces))


def require_spaces(
    settings: EnvironmentSettings, observation_space: Any, action_space: Any
) -> tuple[int, ActionForm]:
    """D and the form of an action; UsageError shows what the network cannot take in or put out."""
    around = "".join(f" in {wrapper}" for wrapper in settings.wrapper)
    require_observation_space(settings.env_id + around, observation_space)
    return flatdim(observation_space), action_form(settings.env_id + around, action_space)


@contextmanager
def made(settings: EnvironmentSettings) -> Iterator[None]:
    """Explain whatever an environment's own constructor raises."""
    try:
        yield
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        why = error if isinstance(error, EnvironmentFault) else f"{type(error).__name__}: {error}"
        given = f" with {typed('env_kwargs', settings.env_kwargs)}" if settings.env_kwargs else ""
        raise UsageError(f"--env-id {settings.env_id} cannot be made{given}: {why}") from error
