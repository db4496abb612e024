"""What `peers.py` runs in a process of its own: one contestant, timed once.

    python benchmarks/peer_process.py NAME NUM_ENVS NUM_THREADS SECONDS

prints {"env_steps_per_s": ...} as the last line. Packages are imported only by the contestant that needs
them, so that no other's threads exist.
"""

import json
import sys
from collections.abc import Callable, Sequence

from windows import Steps, measure

WARM_UP_SECONDS = 0.5
"""Before the window, compiling not included, which is over when a contestant has been made."""

FEWEST_SPLIT = 128
"""With fewer environments JAX's devices would wait for each other longer than they work."""


def make_fused(num_envs: int, num_threads: int) -> Steps:
    """vecac, training included."""
    from workloads import Training

    from vecac.config import Config

    return Training(
        Config(engine="fused", num_envs=num_envs, num_threads=num_threads, total_timesteps=10**15)
    )


def make_sb3(num_envs: int, num_threads: int) -> Steps:
    """Stable-Baselines3, training included; the threads are torch's."""
    from peer_sb3 import Sb3Training

    return Sb3Training(num_envs, num_threads)


def make_jax(num_envs: int, num_threads: int) -> Steps:
    """JAX on gymnax in one pass, training included; a device for each thread, where that is faster.

    On two cores, two devices were 1.2 to 1.4 times as fast with 256 and 4096 environments, and 0.6 times
    as fast with 16. However many there are, XLA may use all cores inside an operation.
    """
    import jax

    num_devices = num_threads if num_envs >= FEWEST_SPLIT and num_envs % num_threads == 0 else 1
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", num_devices)
    from peer_jax import JaxTraining

    return JaxTraining(num_envs, num_devices)


def make_jax_grad(num_envs: int, num_threads: int) -> Steps:
    """JAX on gymnax with jax.grad, training included; XLA uses all cores inside an operation."""
    import jax

    jax.config.update("jax_platforms", "cpu")
    from peer_jax_plain import PlainJaxTraining

    return PlainJaxTraining(num_envs)


def make_gymnasium_sync(num_envs: int, num_threads: int) -> Steps:
    """Gymnasium's SyncVectorEnv alone, which has one thread."""
    from environments_alone import cartpole_alone

    return cartpole_alone(num_envs, "sync")


def make_gymnasium_vector(num_envs: int, num_threads: int) -> Steps:
    """Gymnasium's CartPoleVectorEnv alone, which has one thread."""
    from environments_alone import cartpole_alone

    return cartpole_alone(num_envs, "vector_entry_point")


def make_envpool(num_envs: int, num_threads: int) -> Steps:
    """EnvPool's environments alone."""
    from peer_envpool import envpool_alone

    return envpool_alone(num_envs, num_threads)


MAKE: dict[str, Callable[[int, int], Steps]] = {
    "fused": make_fused,
    "sb3": make_sb3,
    "jax-grad": make_jax_grad,
    "jax": make_jax,
    "gymnasium-sync": make_gymnasium_sync,
    "gymnasium-vector": make_gymnasium_vector,
    "envpool": make_envpool,
}


def main(argv: Sequence[str]) -> int:
    """Warm up, measure, print; returns the exit code."""
    name, num_envs, num_threads, seconds = argv
    contestant = MAKE[name](int(num_envs), int(num_threads))
    measure(contestant, min(WARM_UP_SECONDS, float(seconds)))
    print(json.dumps({"env_steps_per_s": measure(contestant, float(seconds))}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
