"""A peer: the same TD actor-critic in JAX on gymnax's CartPole-v1, written for speed on the CPU.

Shapes: T rollout steps, N environments, D observation size, H hidden size, K = 3 heads: the logits of the
two actions, then the value. Features come first, (D, N): on the CPU that was faster than (N, D), and one
pass was faster than differentiating a stored rollout (with 4096 environments more than twice as fast).
One pass: the forward pass of s' gives V(s') for this step's target and the policy of the next step, and
this step's gradient is added up while the hidden layer is still in the cache. The environments are
split over JAX's CPU devices, which add up their gradients before every Adam step.
"""

from functools import partial
from typing import Any, NamedTuple

import gymnax
import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.sharding import PartitionSpec

from vecac.config import Config

GAMMA = Config.gamma
REWARD_SCALE = Config.reward_scale
LEARNING_RATE = Config.learning_rate
HIDDEN_SIZE = Config.hidden_sizes[0]
NUM_STEPS = Config.n_rollout

ENV_STEPS_A_CALL = 100_000
"""About as many env steps run in one compiled call."""

ENV, ENV_PARAMS = gymnax.make("CartPole-v1")
OPTIMIZER = optax.adam(LEARNING_RATE)


class Parameters(NamedTuple):
    """The network's, or their gradient."""

    hidden_HD: Array
    hidden_bias_H: Array
    heads_KH: Array
    heads_bias_K: Array


class Environments(NamedTuple):
    """N environments and what they show."""

    state: Any
    obs_DN: Array


class Randoms(NamedTuple):
    """Everything random in one step (or, with T in front, in one rollout)."""

    uniform_N: Array
    start_DN: Array


class Transition(NamedTuple):
    """One step of every environment; next_obs is the true successor, which no reset has replaced."""

    obs_DN: Array
    action_N: Array
    terminated_N: Array
    truncated_N: Array
    next_obs_DN: Array


class Training(NamedTuple):
    """All that one iteration hands to the next."""

    parameters: Parameters
    optimizer: optax.OptState
    environments: Environments
    keys: Array


def init_parameters(key: Array, obs_size: int = 4) -> Parameters:
    """torch's default initialisation of nn.Linear: uniform within 1 / sqrt(inputs)."""

    def uniform(key: Array, shape: tuple[int, ...], inputs: int) -> Array:
        return jax.random.uniform(key, shape, minval=-(inputs**-0.5), maxval=inputs**-0.5)

    keys = jax.random.split(key, 4)
    return Parameters(
        uniform(keys[0], (HIDDEN_SIZE, obs_size), obs_size),
        uniform(keys[1], (HIDDEN_SIZE,), obs_size),
        uniform(keys[2], (3, HIDDEN_SIZE), HIDDEN_SIZE),
        uniform(keys[3], (3,), HIDDEN_SIZE),
    )


def init_training(seed: int, num_envs: int, num_devices: int = 1, impl: str = "unsafe_rbg") -> Training:
    """New parameters, N environments at their start, and a key for each device."""
    key, network_key, reset_key = jax.random.split(jax.random.key(seed, impl=impl), 3)
    parameters = init_parameters(network_key)
    reset = jax.vmap(ENV.reset_env, in_axes=(0, None), out_axes=(-1, 0))
    obs_DN, state = reset(jax.random.split(reset_key, num_envs), ENV_PARAMS)
    keys = jax.random.split(key, num_devices)
    return Training(parameters, OPTIMIZER.init(parameters), Environments(state, obs_DN), keys)


def forward(parameters: Parameters, obs_DN: Array) -> tuple[Array, Array]:
    """The hidden layer (H, N) and the heads (K, N)."""
    hidden_HN = jax.nn.relu(parameters.hidden_HD @ obs_DN + parameters.hidden_bias_H[:, None])
    return hidden_HN, parameters.heads_KH @ hidden_HN + parameters.heads_bias_K[:, None]


def heads_gradient(heads_KN: Array, action_N: Array, target_N: Array) -> Array:
    """d loss_n / d heads (K, N) of every row's own loss, through neither target nor advantage:

    loss_n = -log pi(a|s) * (target - V(s)) + smooth_l1(V(s), target)
    """
    advantage_N = target_N - heads_KN[2]
    probability_1_N = jax.nn.sigmoid(heads_KN[1] - heads_KN[0])
    logit_1_N = (probability_1_N - action_N) * advantage_N
    return jnp.stack([-logit_1_N, logit_1_N, -jnp.clip(advantage_N, -1, 1)])


def backward(parameters: Parameters, obs_DN: Array, hidden_HN: Array, gradient_KN: Array) -> Parameters:
    """The gradient of the parameters, summed over the rows, from that of the heads."""
    gradient_HN = jnp.where(hidden_HN > 0, parameters.heads_KH.T @ gradient_KN, 0.0)
    return Parameters(
        gradient_HN @ obs_DN.T, gradient_HN.sum(1), gradient_KN @ hidden_HN.T, gradient_KN.sum(1)
    )


def step_environments(
    environments: Environments, action_N: Array, start_DN: Array
) -> tuple[Environments, Transition]:
    """Step, tell termination from the time limit, and start anew from start_DN where an episode ended.

    gymnax itself makes one flag of both ends: terminated is what still counts as an end at time 0.
    """
    step = jax.vmap(ENV.step_env, in_axes=(None, 0, 0, None), out_axes=(-1, 0, 0, 0, 0))
    next_obs_DN, state, _, ended_N, _ = step(None, environments.state, action_N, ENV_PARAMS)
    zero_N = jnp.zeros_like(state.time)
    terminated_N = ENV.is_terminal(state.replace(time=zero_N), ENV_PARAMS)
    x_N, x_dot_N, theta_N, theta_dot_N = start_DN
    start = state.replace(x=x_N, x_dot=x_dot_N, theta=theta_N, theta_dot=theta_dot_N, time=zero_N)
    state = jax.tree.map(partial(jnp.where, ended_N), start, state)
    obs_DN = jnp.where(ended_N, start_DN, next_obs_DN)
    transition = Transition(environments.obs_DN, action_N, terminated_N, ended_N & ~terminated_N, next_obs_DN)
    return Environments(state, obs_DN), transition


def collect_gradient(
    parameters: Parameters, environments: Environments, randoms_T: Randoms
) -> tuple[Environments, Parameters, Transition]:
    """One rollout in one pass.

    Returns:
        The environments afterwards, the gradient of the mean loss over T x N transitions, and these
        transitions with T in front (the compiler leaves out what the caller does not use of them).
    """

    def step(carry: Any, randoms: Randoms) -> Any:
        environments, hidden_HN, heads_KN, gradient = carry
        action_N = (randoms.uniform_N < jax.nn.sigmoid(heads_KN[1] - heads_KN[0])).astype(jnp.int32)
        environments, transition = step_environments(environments, action_N, randoms.start_DN)
        next_hidden_HN, next_heads_KN = forward(parameters, environments.obs_DN)

        def final_values() -> Array:
            value_N = forward(parameters, transition.next_obs_DN)[1][2]
            return jnp.where(transition.truncated_N, value_N, next_heads_KN[2])

        # Only a time limit hides a successor whose value counts: one forward pass more, in that step only.
        hides = transition.truncated_N.any()
        next_value_N = jax.lax.cond(hides, final_values, lambda: next_heads_KN[2])
        target_N = REWARD_SCALE + GAMMA * jnp.where(transition.terminated_N, 0.0, next_value_N)
        gradient_KN = heads_gradient(heads_KN, action_N, target_N) / (NUM_STEPS * action_N.size)
        of_step = backward(parameters, transition.obs_DN, hidden_HN, gradient_KN)
        gradient = jax.tree.map(jnp.add, gradient, of_step)
        return (environments, next_hidden_HN, next_heads_KN, gradient), transition

    start = (
        environments,
        *forward(parameters, environments.obs_DN),
        jax.tree.map(jnp.zeros_like, parameters),
    )
    (environments, _, _, gradient), transitions_T = jax.lax.scan(step, start, randoms_T)
    return environments, gradient, transitions_T


def draw_randoms(key: Array, num_envs: int) -> Randoms:
    """A rollout's random numbers: uniform in [0, 1) for the policy, CartPole's starts in [-0.05, 0.05)."""
    policy_key, start_key = jax.random.split(key)
    return Randoms(
        jax.random.uniform(policy_key, (NUM_STEPS, num_envs)),
        jax.random.uniform(start_key, (NUM_STEPS, 4, num_envs), minval=-0.05, maxval=0.05),
    )


def iterate(training: Training, _: None = None, axis: str | None = "cores") -> tuple[Training, Array]:
    """Collect T x N, then one Adam step; also returns how many episodes ended.

    Runs on every device of the axis, with its share of the environments and a key of its own; None is alone.
    """
    key, rollout_key = jax.random.split(training.keys[0])
    randoms_T = draw_randoms(rollout_key, training.environments.obs_DN.shape[1])
    environments, gradient, transitions_T = collect_gradient(
        training.parameters, training.environments, randoms_T
    )
    ended = (transitions_T.terminated_N | transitions_T.truncated_N).sum()
    if axis is not None:
        gradient, ended = jax.lax.pmean(gradient, axis), jax.lax.psum(ended, axis)
    updates, optimizer = OPTIMIZER.update(gradient, training.optimizer)
    parameters = optax.apply_updates(training.parameters, updates)
    return Training(parameters, optimizer, environments, key[None]), ended


def compile_iterations(training: Training, iterations: int, num_devices: int) -> jax.stages.Compiled:
    """So many iterations as one program: environments are split over the devices, parameters are not."""
    split, whole = PartitionSpec("cores"), PartitionSpec()
    specs = Training(whole, whole, Environments(split, PartitionSpec(None, "cores")), split)
    mesh = jax.make_mesh((num_devices,), ("cores",), axis_types=(jax.sharding.AxisType.Auto,))
    scan = partial(jax.lax.scan, iterate, length=iterations)
    shared = jax.shard_map(scan, mesh=mesh, in_specs=(specs,), out_specs=(specs, whole), check_vma=False)
    return jax.jit(shared, donate_argnums=0).lower(training).compile()


class JaxTraining:
    """Many iterations a call; compiled before the first `advance`.

    Args:
        num_envs: N.
        num_devices: how many of JAX's CPU devices, each a core's worth, share the environments.
        seed: of everything random.
    """

    def __init__(self, num_envs: int, num_devices: int = 1, seed: int = 1) -> None:
        iterations = max(1, ENV_STEPS_A_CALL // (NUM_STEPS * num_envs))
        self._env_steps_a_call = iterations * NUM_STEPS * num_envs
        training = init_training(seed, num_envs, num_devices)
        self._run = compile_iterations(training, iterations, num_devices)
        self._training = jax.device_put(training, self._run.input_shardings[0][0])
        self.episodes_in_call = 0

    def advance(self) -> int:
        """Run one compiled call to its end; returns its env steps."""
        self._training, ended = self._run(self._training)
        jax.block_until_ready(self._training)
        self.episodes_in_call = int(ended.sum())
        return self._env_steps_a_call
