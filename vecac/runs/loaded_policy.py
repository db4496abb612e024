"""A saved policy as a function: from observations, as an environment shows them, to actions that it takes.

Whatever loads torch is imported inside the functions, as in saved_run.py.

Shapes: N environments, D observation size; `...` is an environment's own.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.random import SeedSequence
from numpy.typing import NDArray

from vecac.actions import ActionForm
from vecac.environments.action_space import ActionSender
from vecac.environments.checks import to_observations
from vecac.environments.observations import Rows, as_batch
from vecac.environments.vector import spaces_of
from vecac.errors import EnvironmentFault, UsageError
from vecac.runs.saved_policy import SavedPolicy
from vecac.seeding import torch_seed

if TYPE_CHECKING:
    from vecac.algorithm.network import NetworkSpec


class Policy:
    """Makes an action of each observation.

    saved: what it was read from. observation_space, action_space: of one environment, in its wrappers.

    Args:
        saved: its environment is made once, to be asked for its spaces.
        sampled: draw actions instead of taking the most probable.
        seed: of the draws; None is another each time.

    Raises:
        UsageError: the environment cannot be made, or is not the one that the policy was trained on.
    """

    def __init__(self, saved: SavedPolicy, sampled: bool = False, seed: int | None = None) -> None:
        import torch

        if seed is not None and (not isinstance(seed, int | np.integer) or seed < 0):
            raise UsageError(f"seed must be a whole number, 0 or more, or None, not {seed!r}")
        self.saved, self._network, self._sampled = saved, saved.network, sampled
        spaces = spaces_of(saved.config)
        require_form(saved.config.env_id, saved.network.spec, spaces.obs_size, spaces.form)
        self.observation_space, self.action_space = spaces.observation, spaces.action
        self._generator = torch.Generator().manual_seed(torch_seed(SeedSequence(seed)))

    def __call__(self, obs: Any, sampled: bool | None = None) -> NDArray[Any]:
        """Actions (N, ...) as the environment takes them: one for each of N observations.

        Args:
            obs: one observation, which is a batch of one, or a batch of N as a vector environment shows them:
                arrays (N, ...), of a Dict or Tuple space a dict or tuple of these.
            sampled: otherwise than the policy was loaded.

        Raises:
            ValueError: these are no observations of observation_space.
        """
        import torch

        network, sampled = self._network, self._sampled if sampled is None else sampled
        obs_ND = self._rows(obs)
        with torch.no_grad():
            outputs_NO = network.policy(torch.from_numpy(obs_ND))
            if sampled:
                noise = network.head.draw_noise((len(obs_ND),), self._generator)
                action = network.head.sample(outputs_NO, noise)
            else:
                action = network.head.greedy(outputs_NO)
        return ActionSender(network.spec.action, self.action_space, len(obs_ND)).send(action.numpy())

    def _rows(self, obs: Any) -> NDArray[np.float32]:
        """The rows (N, D) that the network takes in."""
        space = self.observation_space
        try:
            count, batch = as_batch(space, obs)
            rows = Rows(space, count)
            return to_observations(rows.of_all(batch), (count, rows.obs_size))
        except (EnvironmentFault, TypeError, LookupError) as error:
            raise ValueError(f"these are no observations of {space}: {error}") from error


def require_form(env_id: str, spec: "NetworkSpec", obs_size: int, form: ActionForm) -> None:
    """Refuse, with a UsageError, an environment of other sizes than a network was trained on."""
    if (obs_size, form) != (spec.obs_size, spec.action):
        raise UsageError(
            f"checkpoint of {env_id} has {spec.obs_size} numbers an observation and {spec.action}, the "
            f"environment now has {obs_size} and {form}: use the environment that it was trained on"
        )
