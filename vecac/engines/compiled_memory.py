"""The memory that the fused engine's kernels work on.

Shapes: T rollout steps, S = T + 1, N environments, U numbers of an action.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vecac.config_parts import LearningSettings
from vecac.kernels.drivers import fused
from vecac.kernels.drivers.rollout_kernels import Memory as RolloutMemory
from vecac.kernels.drivers.rollout_kernels import Returns
from vecac.kernels.drivers.stepping import Blank, environment_dtype
from vecac.kernels.drivers.two_passes import Kept
from vecac.kernels.environment import CompiledEnvironment
from vecac.learners.kernel_parameters import KernelParameters, aligned
from vecac.seeding import SeedSequences
from vecac.transition import WINDOW

FINISHED = 65_536
"""Episodes that are kept between two calls, at least."""


def allocate(
    settings: LearningSettings,
    environment: CompiledEnvironment,
    shared: KernelParameters,
    seeds: SeedSequences,
) -> fused.Memory:
    """For these settings, around the parameters that are shared with torch."""
    num_steps, num_envs = settings.n_rollout, settings.num_envs
    environments = aligned(num_envs, environment_dtype(environment.state_size))
    environments["stream"] = seeds.environments.generate_state(num_envs, np.uint64)
    return fused.Memory(
        model=shared.model,
        environments=environments,
        endings_TN=np.zeros((num_steps, num_envs), fused.ENDING),
        window=np.zeros(WINDOW),
        progress=np.zeros(1, fused.PROGRESS),
        finished=np.zeros(max(FINISHED, num_steps * num_envs), fused.EPISODE),
        blank=_blank(environment),
        kept=_kept(settings, environment, shared) if _looks_twice(settings) else (),
    )


def statistics(memory: fused.Memory) -> dict[str, NDArray[Any]]:
    """What is known of the episodes so far, by its names in a checkpoint."""
    returns = {"return_N": memory.kept.return_N} if memory.kept else {}
    return {"window": memory.window, "progress": memory.progress, **returns}


def _looks_twice(settings: LearningSettings) -> bool:
    """Whether the derivative of a step's loss is only known once the rollout is over."""
    normalizes = settings.normalize_advantage or settings.norm_obs or settings.norm_reward
    return normalizes or settings.td_lambda > 0


def _blank(environment: CompiledEnvironment) -> Blank:
    form = environment.action
    number = 0.0 if form.kind == "box" else 0
    return Blank(
        state=(0.0,) * environment.state_size,
        uniforms=(0.0,) * environment.num_uniforms,
        action=(number,) * form.shape[0] if form.shape else number,
        bounds_U2=np.array(environment.action_bounds, np.float32).reshape(-1, 2),
    )


def _kept(settings: LearningSettings, environment: CompiledEnvironment, shared: KernelParameters) -> Kept:
    form, block = environment.action, (settings.n_rollout, settings.num_envs)

    def zeros(dtype: Any, *shape: int) -> Any:
        return np.zeros(shape, dtype)

    counts = block[0] + 1, *block[:1] * 3
    rollout = RolloutMemory(
        model=shared.model,
        noise_TNU=zeros(np.float64, 0, 0, 0),
        returns=Returns(*(zeros(np.float32, count, block[1]) for count in counts)),
        obs_SND=zeros(np.float32, block[0] + 1, block[1], environment.obs_size),
        action_TNU=zeros(form.dtype, *block, *(form.shape or (1,))),
        reward_TN=zeros(np.float32, *block),
        terminated_TN=zeros(np.bool_, *block),
        truncated_TN=zeros(np.bool_, *block),
        valid_TN=np.ones(block, np.bool_),
        final_obs_TND=zeros(np.float32, 0, block[1], environment.obs_size),
    )
    return Kept(rollout, shared.return_moments, zeros(np.float64, block[1]))
