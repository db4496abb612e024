"""What `time_to_solve.py --trainer` runs for Stable-Baselines3: one seed of CartPole-v1 until it is solved.

    python benchmarks/peer_sb3_solve.py ALGORITHM SEED MAX_STEPS

with the settings that RL Baselines3 Zoo tuned for CartPole-v1. Solved means what it means for vecac: a mean
return of 475 over exactly the last 100 episodes, judged after every step of the environments. Prints one
JSON object as the last line.
"""

import json
import sys
from collections.abc import Sequence

import torch
from peer_sb3_watch import Watch
from zoo import SETTINGS, make_model

ENV_ID = "CartPole-v1"
THRESHOLD = 475.0


def main(argv: Sequence[str]) -> int:
    """Train, print; returns the exit code."""
    name, seed, max_steps = argv[0], int(argv[1]), int(argv[2])
    torch.set_num_threads(1)  # faster for networks this small
    model = make_model(name, ENV_ID, seed)
    watch = Watch(THRESHOLD)
    # PPO's schedules are cut to the env steps that the Zoo trains for.
    model.learn(min(max_steps, SETTINGS[name][ENV_ID].total_steps), callback=watch)
    result = {
        "solved_at_env_steps": watch.solved[0],
        "solved_at_seconds": watch.solved[1],
        "env_steps": model.num_timesteps,
        "seconds": watch.seconds,
        "last_100_return_mean": watch.mean,
    }
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
