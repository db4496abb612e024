"""A peer: many seeds of the algorithm in JAX at once, the whole loop compiled.

    python benchmarks/peer_jax_study.py {one-pass,grad} SEEDS NUM_ENVS NUM_DEVICES SECONDS

prints {"env_steps_per_s": ...} as the last line. The seeds are mapped by jax.vmap and split over JAX's CPU
devices, which share nothing.
"""

import json
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax

ENV_STEPS_A_CALL = 1_000_000
"""About as many env steps of all seeds run in one compiled call."""


class JaxStudy:
    """Trains so many seeds; compiled before the first `advance`."""

    def __init__(self, kind: str, seeds: int, num_envs: int, num_devices: int) -> None:
        # Here, since they choose the platform that main has configured.
        import peer_jax
        import peer_jax_plain

        iterate = partial(peer_jax.iterate, axis=None) if kind == "one-pass" else peer_jax_plain.iterate
        iterations = max(1, ENV_STEPS_A_CALL // (seeds * num_envs * peer_jax.NUM_STEPS))
        self._env_steps_a_call = iterations * seeds * num_envs * peer_jax.NUM_STEPS
        init = partial(peer_jax.init_training, num_envs=num_envs, impl="threefry2x32")
        training: Any = jax.vmap(init)(jax.numpy.arange(seeds))
        mesh = jax.make_mesh((num_devices,), ("seeds",), axis_types=(jax.sharding.AxisType.Auto,))
        split = jax.sharding.PartitionSpec("seeds")
        scan = jax.vmap(partial(jax.lax.scan, iterate, length=iterations))
        shared = jax.shard_map(scan, mesh=mesh, in_specs=(split,), out_specs=(split, split), check_vma=False)
        self._run = jax.jit(shared, donate_argnums=0).lower(training).compile()
        self._training = jax.device_put(training, self._run.input_shardings[0][0])

    def advance(self) -> int:
        """Run one compiled call to its end; returns its env steps."""
        self._training, _ = self._run(self._training)
        jax.block_until_ready(self._training)
        return self._env_steps_a_call


def main(argv: Sequence[str]) -> int:
    """Warm up, measure, print; returns the exit code."""
    from windows import measure

    kind, *counts, seconds = argv
    seeds, num_envs, num_devices = map(int, counts)
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", num_devices)
    study = JaxStudy(kind, seeds, num_envs, num_devices)
    study.advance()
    print(json.dumps({"env_steps_per_s": measure(study, float(seconds))}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
