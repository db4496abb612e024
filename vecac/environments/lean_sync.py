"""Gymnasium's SyncVectorEnv without what a trainer has no use for."""

from typing import Any

from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray


class LeanSyncVectorEnv(SyncVectorEnv):
    """SyncVectorEnv that, in next-step mode, builds no infos and copies nothing twice.

    That takes a tenth off a step of 16 CartPoles. Its environments hand out arrays of the space's shape
    and plain numbers, as GuardedEnv makes sure; what `step` returns is overwritten by the next one.
    """

    def step(self, actions: NDArray[Any]) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step every environment, or reset it if its episode ended in the step before."""
        if self.autoreset_mode is not AutoresetMode.NEXT_STEP:
            return super().step(actions)
        obs_ND, reward_N = self._observations, self._rewards
        terminated_N, truncated_N = self._terminations, self._truncations
        resets = self._autoreset_envs.tolist()
        for i, (env, action, is_reset) in enumerate(zip(self.envs, actions, resets, strict=True)):
            if is_reset:
                obs_ND[i], _ = env.reset()
                reward_N[i], terminated_N[i], truncated_N[i] = 0.0, False, False
            else:
                obs_ND[i], reward_N[i], terminated_N[i], truncated_N[i], _ = env.step(action)
        self._autoreset_envs = terminated_N | truncated_N
        return obs_ND, reward_N, terminated_N, truncated_N, {}
