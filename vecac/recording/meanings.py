"""What the metrics of a run mean."""

METRICS = {
    "rollout/ep_rew_mean": "mean undiscounted return of the last 100 finished episodes, or all until then",
    "rollout/ep_len_mean": "mean length of the same episodes, in env steps",
    "rollout/episodes": "finished episodes since the start",
    "time/fps": "env steps a second since the previous row, training included",
    "time/total_timesteps": "env steps since the start: valid transitions, dead rows not counted",
    "time/time_elapsed": "seconds since the first env step",
    "time/collect_fraction": "share of the time since the previous row spent on acting and environments"
    " (on CUDA, on waiting for updates too)",
    "time/learn_fraction": "share of the time since the previous row spent on updates"
    " (on CUDA, on issuing them)",
    "train/loss": "policy_loss + vf_coef * value_loss - ent_coef * entropy of the last update",
    "train/policy_loss": "mean of -log pi(a|s) * advantage over the last update's valid rows",
    "train/value_loss": "mean distance (--value-loss) of V(s) to its target, before vf_coef",
    "train/entropy": "mean entropy of the policy in nats (ln A for one that does not care which of A actions;"
    " of real numbers it can be negative)",
    "train/grad_norm": "global L2 norm of the gradient, before any clipping",
    "train/explained_variance": "1 - Var[target - V(s)] / Var[target]; 1 is a perfect critic",
    "train/learning_rate": "the optimiser's step size in the last update",
    "train/n_updates": "optimiser steps since the start",
    "eval/mean_reward": "mean return of a greedy evaluation: after training, and as --eval-interval has it",
    "eval/mean_ep_length": "mean length of the greedy evaluation's episodes, in env steps",
}
"""Every metric that a run logs, by TensorBoard tag; the x axis is env steps."""
