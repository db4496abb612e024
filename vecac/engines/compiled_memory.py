"""The memory that the fused engine's kernels work on.

Shapes: N environments.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vecac.algorithm.rollout import Rollout
from vecac.config_parts import LearningSettings
from vecac.kernels.drivers import fused
from vecac.kernels.drivers.stepping import Blank, environment_dtype
from vecac.kernels.drivers.two_passes import Kept
from vecac.kernels.environment import CompiledEnvironment
from vecac.learners.compiled_learner import allocate_returns, kernel_memory
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
    num_steps, num_envs = settings.n_rollout, settings.num_envs
    sizes = num_steps, num_envs, environment.obs_size, environment.action
    rollout = Rollout(*sizes, hides_final_obs=False, device=torch.device("cpu"))
    rollout.valid_TN.fill(True)
    memory = kernel_memory(shared.model, np.zeros((0, 0, 0)), (), rollout)
    # V of an observation that a reset has hidden is found at once: it is not kept itself.
    memory = memory._replace(returns=allocate_returns(num_steps, num_envs))
    return Kept(memory, shared.return_moments, np.zeros(num_envs))
