from vecac.recording.meanings import METRICS


def test_the_metrics_are_the_documented_ones():
    assert set(METRICS) == {
        *(f"rollout/{name}" for name in ("ep_rew_mean", "ep_len_mean", "episodes")),
        *(f"time/{name}" for name in ("fps", "total_timesteps", "time_elapsed")),
        *(f"time/{name}" for name in ("collect_fraction", "learn_fraction")),
        *(f"train/{name}" for name in ("loss", "policy_loss", "value_loss", "entropy", "grad_norm")),
        *(f"train/{name}" for name in ("explained_variance", "learning_rate", "n_updates")),
        *(f"eval/{name}" for name in ("mean_reward", "mean_ep_length")),
    }
    assert all(METRICS.values())
