"""The compiled form of own_environment.py, and the fused engine on it: python own_compiled_environment.py.

The command line takes it from the folder that this file is in:

    python -m vecac.train --env-id own_compiled_environment:Docking-v0 --engine fused
"""

import numpy as np
from own_environment import Docking  # which registers Docking-v0 with Gymnasium

from vecac.config import Config
from vecac.kernels.catalogue import register
from vecac.kernels.environment import CompiledEnvironment
from vecac.train import train


def reset(uniforms):
    """The first state, a tuple of floats, from numbers that are uniform in [0, 1)."""
    return 2.0 * uniforms[0] - 1.0, 0.0


def step(state, action):
    """The next state, the reward, and whether the episode has terminated."""
    position, speed = state
    speed += 0.02 * (action - 1)
    position += speed
    return (position, speed), 1.0 - abs(position), abs(position) > 2.0


def observe(state):
    """What the network sees of a state."""
    return state


register(
    "Docking-v0",
    CompiledEnvironment(reset, step, observe, num_uniforms=1, state_size=2, obs_size=2, num_actions=3),
)


def check(episodes=20):
    """Compare with the Gymnasium environment, step by step and bit by bit; returns the steps compared."""
    env, random, steps = Docking(), np.random.default_rng(1), 0
    for seed in range(episodes):
        env.reset(seed=seed)
        state, terminated = tuple(env.get_state()), False
        while not terminated:
            action = int(random.integers(3))
            state, reward, terminated = step(state, action)
            obs, *told, _, _ = env.step(action)
            assert (tuple(env.get_state()), told) == (state, [reward, terminated])
            assert np.array_equal(obs, np.array(observe(state), np.float32))
            steps += 1
    return steps


def main(total_timesteps=5_000_000):
    """Check the compiled form, and train on it; returns how the run ended."""
    print(f"{check()} steps are the same in both forms")
    config = Config(
        env_id="own_compiled_environment:Docking-v0",
        engine="fused",
        total_timesteps=total_timesteps,
        learning_rate=1e-3,
        quiet=True,
    )
    result = train(config)  # which compares some steps too, and refuses a form that differs
    print(f"{result.env_steps:,} env steps in {result.seconds:.1f} s, {result.env_steps_per_s:,.0f} a second")
    print(f"greedy return in the Gymnasium environment {result.eval_return_mean:.1f}; see {result.run_dir}")
    return result


if __name__ == "__main__":
    main()
