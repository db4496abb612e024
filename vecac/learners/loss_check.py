"""Whether the kernels compute the loss that algorithm/td.py computes: asked before a run learns by them.

td.py is what a reader edits and what the torch learner differentiates; the kernels hold the derivative
written out. Both get the same small batch here, in memory of its own, under the run's settings and sizes.

The fused engine is checked by the compiled learner's kernels, which call the same functions of
kernels/mathematics. What fused adds, the order of its steps, is compared by tests: here that would take one
more compilation for each environment.

Shapes: T rollout steps, N environments, D observation size, A actions, H hidden size.
"""

import math
from dataclasses import replace

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
from vecac.learners.compiled_learner import kernel_memory
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
    settings: LearningSettings, obs_size: int, num_actions: int, hides_final_obs: bool, seed: int = 0
) -> bool:
    """Whether the gradient by kernels is torch's through td.py, for every parameter.

    Args:
        settings: a run's. What it leaves out of the loss (a coefficient of 0) is not compared.
        obs_size, num_actions: D and A.
        hides_final_obs: whether the run's autoreset mode does; see rollout.py.
        seed: of the batch.
    """
    settings = replace(settings, num_envs=NUM_ENVS, n_rollout=NUM_STEPS, max_grad_norm=None)
    shared = KernelParameters(settings, obs_size, num_actions, seed_sequences(seed))
    rng, sizes = np.random.default_rng(seed), (NUM_STEPS, NUM_ENVS, obs_size, num_actions)
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
    _differentiate_by_kernels(shared, rollout)
    ours = shared.gradient()
    # With one action there is nothing to choose: 0, which torch's rounding misses.
    one_action = len(shared.network.fc_pi.bias) == 1
    layers = ("fc1", "fc_v") if one_action else ("fc1", "fc_pi", "fc_v")
    return all(_are_alike(layer, ours, theirs) for layer in layers)


def _differentiate_by_kernels(shared: KernelParameters, rollout: Rollout) -> None:
    """Leave the mean gradient in the kernels' memory, by a step of Adam that moves nothing."""
    memory = kernel_memory(shared.model, np.zeros((NUM_STEPS, NUM_ENVS)), rollout)
    threads = BlockThreads(1, len(shared.model.works))
    specialise(kernels.prepare, memory)(memory)
    threads.run(specialise(kernels.differentiate_rollout, threads.counters, 0, memory), memory)
    num_valid = int(np.count_nonzero(rollout.valid_TN))
    specialise(update, memory.model, 1, 0.1, 1)(memory.model, num_valid, 0.0, 1)


def _are_alike(layer: str, *gradients: dict[str, Tensor]) -> bool:
    """Whether both gradients have a layer alike, or the kernels' overflows, as it would in a run."""
    ours, theirs = ([gradient[f"{layer}.{kind}"] for kind in ("weight", "bias")] for gradient in gradients)
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

    Those of the hidden layer have few binary digits, as observations by `draw_rollout` have: its sums are
    exact in any order, and no rounding decides which side of ReLU's kink a unit is on.
    """
    hidden_size, obs_size = network.fc1.weight.shape
    step = 2.0 ** -(6 + math.ceil(math.log2(obs_size) / 2))
    for parameter in (network.fc1.weight, network.fc1.bias):
        parameter.copy_(torch.from_numpy(rng.integers(-64, 65, parameter.shape) * step))
    for head, size in ((network.fc_pi, 1.0), (network.fc_v, value_size)):
        weight = rng.normal(0.0, 4 * size / math.sqrt(hidden_size), head.weight.shape)
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(rng.normal(0.0, size, head.bias.shape)))


def draw_rollout(
    rng: np.random.Generator,
    num_steps: int,
    num_envs: int,
    obs_size: int,
    num_actions: int,
    hides_final_obs: bool,
    reward_size: float = 1.0,
) -> Rollout:
    """A rollout of T steps with rows of every kind, in the order that autoreset lays down.

    Args:
        rng: draws it.
        num_steps, num_envs, obs_size, num_actions: T, N, D and A.
        hides_final_obs: whether the autoreset mode does; if not, dead rows follow the ends of episodes.
        reward_size: the standard deviation of rewards.
    """

    def draw_obs() -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
        return (rng.integers(-16, 17, (num_envs, obs_size)) / 8).astype(np.float32)

    form = ActionForm("discrete", (num_actions,))
    rollout = Rollout(num_steps, num_envs, obs_size, form, hides_final_obs, torch.device("cpu"))
    dead_N = rng.random(num_envs) < 0.2
    rollout.start(draw_obs())
    for t in range(num_steps):
        valid = np.ones(num_envs, np.bool_) if hides_final_obs else ~dead_N
        terminated, truncated = (rng.random((2, num_envs)) < 0.3) & valid
        dead_N = terminated | truncated
        reward = np.clip(rng.normal(0.0, reward_size, num_envs), -1e30, 1e30).astype(np.float32)
        rollout.action_rows[t].copy_(torch.from_numpy(rng.integers(0, num_actions, num_envs)))
        next_obs = draw_obs()
        obs = draw_obs() if hides_final_obs else next_obs
        rollout.insert(t, Transition(obs, reward, terminated, truncated, next_obs, valid), obs)
    rollout.finish()
    return rollout
