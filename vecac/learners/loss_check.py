"""Whether the kernels compute the loss that algorithm/td.py computes: asked before a run learns by them.

td.py is what a reader edits and what the torch learner differentiates; the kernels hold the derivative
written out. Both get the same small batch here, in memory of its own, under the run's settings and sizes.

The fused engine is checked by the compiled learner's kernels, which call the same functions of
kernels/mathematics. What fused adds, the order of its steps, is compared by tests: here that would take one
more compilation for each environment.

Shapes: T rollout steps, N environments, D observation size.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vecac.actions import ActionForm
from vecac.algorithm.network import Network
from vecac.algorithm.rollout import Rollout
from vecac.config_parts import LearningSettings
from vecac.kernels.drivers import rollout_kernels as kernels
from vecac.kernels.mathematics.model import update
from vecac.kernels.plumbing.compiling import specialise
from vecac.learners.block_threads import BlockThreads
from vecac.learners.compiled_learner import RolloutGradient, kernel_memory, make_returns
from vecac.learners.kernel_parameters import KernelParameters
from vecac.learners.rollout_loss import RolloutLoss
from vecac.seeding import seed_sequences
from vecac.transition import Transition

NUM_STEPS, NUM_ENVS = 8, 8
"""Of the batch: rows of every kind, and two groups of lanes."""

TOLERANCE = 1e-4
"""How far an array's gradient may be off, as a share of its largest value."""

ROUNDING = 1e-6
"""What float32 adds to that, as a share of the layer's largest: the sum for a bias may all but cancel."""

DENORMAL = 1e-36
"""What is smaller, kernels and torch round each in their own way."""


@torch.inference_mode(False)
@torch.enable_grad()
def kernels_compute_td_py(
    settings: LearningSettings, obs_size: int, action: ActionForm, hides_final_obs: bool, seed: int = 0
) -> bool:
    """Whether the gradient by kernels is torch's through td.py, for every parameter.

    Args:
        settings: a run's. What it leaves out of the loss (a coefficient of 0) is not compared.
        obs_size, action: D, and the form of an action.
        hides_final_obs: whether the run's autoreset mode does; see rollout.py.
        seed: of the batch.
    """
    settings = replace(settings, num_envs=NUM_ENVS, n_rollout=NUM_STEPS, max_grad_norm=None)
    shared = KernelParameters(settings, obs_size, action, seed_sequences(seed))
    rng, sizes = np.random.default_rng(seed), (NUM_STEPS, NUM_ENVS, obs_size, action)
    # Advantages of 1, on both sides of smooth_l1's bend; then as small as they are when learning begins,
    # beside which the coefficients count for more, with rewards of the environment's own size.
    for reward_size, value_size in ((2 / settings.reward_scale, 1.0), (1.0, 0.01)):
        _draw_parameters(rng, shared.network, value_size)
        rollout = draw_rollout(rng, *sizes, hides_final_obs, reward_size)
        if not _compute_alike(settings, shared, rollout):
            return False
    return True


def _compute_alike(settings: LearningSettings, shared: KernelParameters, rollout: Rollout) -> bool:
    RolloutLoss(settings, shared.network).backward(rollout, settings.ent_coef)
    theirs = {name: p.grad for name, p in shared.network.named_parameters() if p.grad is not None}
    _differentiate_by_kernels(settings, shared, rollout)
    ours = shared.gradient()
    layers = {name.rpartition(".")[0] for name in theirs}
    if set(shared.network.spec.action.sizes) == {1} and "head" not in layers:
        layers.remove("fc_pi")  # there is nothing to choose: 0, which torch's rounding misses
    return all(_are_alike(layer, ours, theirs) for layer in layers)


def _differentiate_by_kernels(settings: LearningSettings, shared: KernelParameters, rollout: Rollout) -> None:
    """Leave the mean gradient in the kernels' memory, by a step of the optimiser that moves nothing."""
    returns = make_returns(settings, NUM_STEPS, NUM_ENVS)
    memory = kernel_memory(shared.model, np.zeros((NUM_STEPS, NUM_ENVS, 1)), returns, rollout)
    shared.set_rates(settings.ent_coef)
    specialise(kernels.prepare, memory)(memory)
    RolloutGradient(BlockThreads(1, len(shared.model.works)), memory).find(memory)
    num_valid = int(np.count_nonzero(rollout.valid_TN))
    specialise(update, memory.model, 1, 0.1, 1)(memory.model, num_valid, 0.0, 1)


def _are_alike(layer: str, *gradients: dict[str, Tensor]) -> bool:
    """Whether both gradients have a layer alike, or the kernels' overflows, as it would in a run."""
    ours, theirs = (
        [array for name, array in sorted(gradient.items()) if name.rpartition(".")[0] == layer]
        for gradient in gradients
    )
    if not all(array.isfinite().all() for array in ours):
        return True
    rounding = ROUNDING * max(array.abs().max() for array in theirs) + DENORMAL
    return all(
        bool((one - other).abs().max() <= TOLERANCE * other.abs().max() + rounding)
        for one, other in zip(ours, theirs, strict=True)
    )


@torch.no_grad()
def _draw_parameters(rng: np.random.Generator, network: Network, value_size: float) -> None:
    """Parameters by which the policy is not as flat as in a network that has not learned; V(s) of a size.

    Those of hidden layers have few binary digits, as observations by `draw_rollout` have, and normalisation:
    their sums are exact in any order, and no rounding decides which side of ReLU's kink a unit is on.
    """
    for name, layer in network.named_children():
        if name.startswith(("critic", "fc")) and isinstance(layer, torch.nn.Linear):
            width, inputs = layer.weight.shape
            if name in ("fc_pi", "fc_v"):
                size = value_size if name == "fc_v" else 1.0
                weight: Any = rng.normal(0.0, 4 * size / math.sqrt(inputs), (width, inputs))
                bias: Any = rng.normal(0.0, size, width)
            else:
                digits = 1 if name.endswith("2") else 6
                step = 2.0 ** -(digits + math.ceil(math.log2(inputs) / 2))
                weight = step * rng.integers(-(2**digits), 2**digits + 1, (width, inputs))
                bias = step * rng.integers(-(2**digits), 2**digits + 1, width)
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.copy_(torch.from_numpy(bias))
    if (norm := network.obs_norm) is not None:
        norm.shift.copy_(torch.from_numpy(rng.integers(-4, 5, norm.shift.shape) / 8))
        norm.scale.copy_(torch.from_numpy(2.0 ** rng.integers(-1, 2, norm.scale.shape)))
    if (moments := network.return_moments) is not None:
        moments.var.fill_(4.0)
    for log_std in network.head.parameters():
        log_std.copy_(torch.from_numpy(rng.normal(-0.5, 0.5, log_std.shape)))


def draw_rollout(
    rng: np.random.Generator,
    num_steps: int,
    num_envs: int,
    obs_size: int,
    action: ActionForm,
    hides_final_obs: bool,
    reward_size: float = 1.0,
) -> Rollout:
    """A rollout of T steps with rows of every kind, in the order that autoreset lays down.

    Args:
        rng: draws it.
        num_steps, num_envs, obs_size, action: T, N, D, and the form of an action.
        hides_final_obs: whether the autoreset mode does; if not, dead rows follow the ends of episodes.
        reward_size: the standard deviation of rewards.
    """

    def draw_obs() -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
        return (rng.integers(-16, 17, (num_envs, obs_size)) / 8).astype(np.float32)

    rollout = Rollout(num_steps, num_envs, obs_size, action, hides_final_obs, torch.device("cpu"))
    dead_N = rng.random(num_envs) < 0.2
    rollout.start(draw_obs())
    for t in range(num_steps):
        valid = np.ones(num_envs, np.bool_) if hides_final_obs else ~dead_N
        terminated, truncated = (rng.random((2, num_envs)) < 0.3) & valid
        dead_N = terminated | truncated
        reward = np.clip(rng.normal(0.0, reward_size, num_envs), -1e30, 1e30).astype(np.float32)
        rollout.action_rows[t].copy_(torch.from_numpy(_draw_actions(rng, num_envs, action)))
        next_obs = draw_obs()
        obs = draw_obs() if hides_final_obs else next_obs
        rollout.insert(t, Transition(obs, reward, terminated, truncated, next_obs, valid), obs)
    rollout.finish()
    return rollout


def _draw_actions(
    rng: np.random.Generator, num_envs: int, action: ActionForm
) -> "np.ndarray[tuple[int, ...], np.dtype[Any]]":
    shape = (num_envs, *action.shape)
    return rng.normal(size=shape) if action.kind == "box" else rng.integers(0, action.sizes, shape)
