"""A peer: EnvPool's CartPole-v1 by itself, in its synchronous mode, driven by random actions."""

import envpool
import numpy as np
from environments_alone import PREPARED_STEPS, EnvironmentsAlone


def envpool_alone(num_envs: int, num_threads: int) -> EnvironmentsAlone:
    """N environments on EnvPool's own threads; every call waits for all of them."""
    envs = envpool.make(
        "CartPole-v1", env_type="gymnasium", num_envs=num_envs, num_threads=num_threads, seed=1
    )
    actions_TN = np.random.default_rng(1).integers(0, 2, (PREPARED_STEPS, num_envs), dtype=np.int32)
    envs.reset()
    return EnvironmentsAlone(envs, list(actions_TN))
