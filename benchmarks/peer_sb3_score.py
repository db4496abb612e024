"""What Stable-Baselines3 reaches in an environment with its Zoo's settings, and how fast; one seed.

    python benchmarks/peer_sb3_score.py ALGORITHM ENV_ID SEED TOTAL_STEPS [--until RETURN] [--episodes N]

ALGORITHM is a2c or ppo, and ENV_ID one that `zoo.py` has settings for. It trains on one thread for
TOTAL_STEPS env steps (whole rollouts, so perhaps a few more; schedules end there), or until exactly the last
100 episodes return RETURN on average, and then plays N greedy episodes (100; 0 for none) in environments with
seeds of their own and with the statistics of the normalisation as they are then. Prints one JSON object as
the last line, where null stands for what there was not:

    algorithm, env_id, seed, total_steps, until
                            as given
    env_steps, seconds      of the training, from its first env step to its end, no greedy episodes
    env_steps_per_s         the one over the other
    solved_at_env_steps, solved_at_seconds
                            when RETURN was reached
    last_100_return_mean    of exactly the last 100 episodes of the training
    greedy_mean, greedy_std, greedy_episodes
                            of the greedy episodes' returns (divided by N, not by N - 1), and their number
    curve                   [env_steps, seconds, mean return of exactly the last 100 episodes], equally far
                            apart, about 200 of them, and the end

Returns are the environment's own, whatever is normalised.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from typing import Any

import torch
from peer_sb3_watch import Watch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv, VecNormalize, sync_envs_normalization
from zoo import SETTINGS, make_model

POINTS = 200
GREEDY_COPIES = 20
"""They play at a time; each plays its share, so that short episodes are not preferred."""

GREEDY_SEEDS_FROM = 1_000_000
"""Training's are the seeds of its copies: SEED, SEED + 1, ..."""


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """What was asked for; exits with 2 if there is no such setting."""
    parser = argparse.ArgumentParser(description="Stable-Baselines3 with its Zoo's settings, one seed.")
    parser.add_argument("algorithm", choices=SETTINGS)
    parser.add_argument("env_id")
    parser.add_argument("seed", type=int)
    parser.add_argument("total_steps", type=int)
    parser.add_argument("--until", type=float, help="stop at this mean return of the last 100 episodes")
    parser.add_argument("--episodes", type=int, default=100, help="greedy episodes at the end (100)")
    options = parser.parse_args(argv)
    known = SETTINGS[options.algorithm]
    if options.env_id not in known:
        parser.error(
            f"there are no settings of {options.algorithm} for {options.env_id}: one of {', '.join(known)}"
        )
    return options


def make_greedy_envs(env_id: str, seed: int, trained_in: VecEnv) -> VecEnv:
    """Copies with seeds of their own, and with the observations' statistics of the training, frozen."""
    envs = make_vec_env(env_id, GREEDY_COPIES, seed=GREEDY_SEEDS_FROM + GREEDY_COPIES * seed)
    if not isinstance(trained_in, VecNormalize):
        return envs
    normalized = VecNormalize(envs, training=False, norm_reward=False)
    sync_envs_normalization(trained_in, normalized)
    return normalized


def play_greedily(model: Any, env_id: str, seed: int, episodes: int) -> list[float]:
    """The returns of so many episodes, the most likely action taken always."""
    if episodes == 0:
        return []
    envs = make_greedy_envs(env_id, seed, model.get_env())
    returns, _ = evaluate_policy(model, envs, episodes, deterministic=True, return_episode_rewards=True)
    envs.close()
    return [float(number) for number in returns]


def score(options: argparse.Namespace) -> dict[str, Any]:
    """Train, play; returns the JSON-ready result."""
    model = make_model(options.algorithm, options.env_id, options.seed)
    watch = Watch(options.until, curve_every=max(1, options.total_steps // POINTS))
    model.learn(options.total_steps, callback=watch, log_interval=None)
    returns = play_greedily(model, options.env_id, options.seed, options.episodes)
    return {
        "algorithm": options.algorithm,
        "env_id": options.env_id,
        "seed": options.seed,
        "total_steps": options.total_steps,
        "until": options.until,
        "env_steps": model.num_timesteps,
        "seconds": watch.seconds,
        "env_steps_per_s": model.num_timesteps / watch.seconds,
        "solved_at_env_steps": watch.solved[0],
        "solved_at_seconds": watch.solved[1],
        "last_100_return_mean": watch.mean,
        "greedy_mean": statistics.fmean(returns) if returns else None,
        "greedy_std": statistics.pstdev(returns) if returns else None,
        "greedy_episodes": len(returns),
        "curve": watch.curve,
    }


def main(argv: Sequence[str]) -> int:
    """Score, print; returns the exit code."""
    options = parse(argv)
    torch.set_num_threads(1)  # faster for networks this small
    print(json.dumps(score(options)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
