"""A peer: the same algorithm in JAX on gymnax, as its users write it: store the rollout, then jax.grad.

Shapes: T rollout steps, N environments, D observation size. The whole loop is one jitted program, as in
peer_jax.py, whose network and environments these are; threads are XLA's own choice.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array
from peer_jax import (
    ENV_STEPS_A_CALL,
    GAMMA,
    NUM_STEPS,
    OPTIMIZER,
    REWARD_SCALE,
    Environments,
    Parameters,
    Randoms,
    Training,
    Transition,
    draw_randoms,
    forward,
    init_training,
    step_environments,
)


def collect(
    parameters: Parameters, environments: Environments, randoms_T: Randoms
) -> tuple[Environments, Transition]:
    """One rollout; returns the environments afterwards, and the transitions with T in front."""

    def step(environments: Environments, randoms: Randoms) -> tuple[Environments, Transition]:
        _, heads_KN = forward(parameters, environments.obs_DN)
        action_N = (randoms.uniform_N < jax.nn.sigmoid(heads_KN[1] - heads_KN[0])).astype(jnp.int32)
        return step_environments(environments, action_N, randoms.start_DN)

    after: tuple[Environments, Transition] = jax.lax.scan(step, environments, randoms_T)
    return after


def loss(parameters: Parameters, transitions_T: Transition) -> Array:
    """The mean over T x N transitions of -log pi(a|s) * (target - V(s)) + smooth_l1(V(s), target)."""
    heads = jax.vmap(lambda obs_DN: forward(parameters, obs_DN)[1])  # (T, D, N) -> (T, K, N)
    heads_TKN, next_heads_TKN = heads(transitions_T.obs_DN), heads(transitions_T.next_obs_DN)
    next_value_TN = jnp.where(transitions_T.terminated_N, 0.0, next_heads_TKN[:, 2])
    target_TN = jax.lax.stop_gradient(REWARD_SCALE + GAMMA * next_value_TN)
    value_TN = heads_TKN[:, 2]
    log_probability_TAN = jax.nn.log_softmax(heads_TKN[:, :2], axis=1)
    took_1_TN = transitions_T.action_N == 1
    taken_TN = jnp.where(took_1_TN, log_probability_TAN[:, 1], log_probability_TAN[:, 0])
    policy_TN = -taken_TN * jax.lax.stop_gradient(target_TN - value_TN)
    return (policy_TN + optax.huber_loss(value_TN, target_TN)).mean()


def iterate(training: Training, _: None = None) -> tuple[Training, Array]:
    """Collect T x N, then one Adam step; also returns how many episodes ended."""
    key, rollout_key = jax.random.split(training.keys[0])
    randoms_T = draw_randoms(rollout_key, training.environments.obs_DN.shape[1])
    environments, transitions_T = collect(training.parameters, training.environments, randoms_T)
    gradient = jax.grad(loss)(training.parameters, transitions_T)
    updates, optimizer = OPTIMIZER.update(gradient, training.optimizer)
    parameters = optax.apply_updates(training.parameters, updates)
    ended = (transitions_T.terminated_N | transitions_T.truncated_N).sum()
    return Training(parameters, optimizer, environments, key[None]), ended


class PlainJaxTraining:
    """Many iterations a call; compiled before the first `advance`."""

    def __init__(self, num_envs: int, seed: int = 1) -> None:
        iterations = max(1, ENV_STEPS_A_CALL // (NUM_STEPS * num_envs))
        self._env_steps_a_call = iterations * NUM_STEPS * num_envs
        self._training: Any = init_training(seed, num_envs, impl="threefry2x32")
        scan = jax.jit(partial(jax.lax.scan, iterate, length=iterations))
        self._run = scan.lower(self._training).compile()
        self.episodes_in_call = 0

    def advance(self) -> int:
        """Run one compiled call to its end; returns its env steps."""
        self._training, ended = self._run(self._training)
        jax.block_until_ready(self._training)
        self.episodes_in_call = int(ended.sum())
        return self._env_steps_a_call
