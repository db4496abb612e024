"""torch and the kernels look at the same memory."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from learner_support import discrete

from vecac.config import Config
from vecac.kernels.mathematics.loss import SUMS
from vecac.learners.kernel_parameters import KernelParameters, KernelUpdate, aligned
from vecac.seeding import seed_sequences


def make(obs_size=5, num_actions=3, **settings):
    return KernelParameters(
        Config(hidden_size=8, **settings), obs_size, discrete(num_actions), seed_sequences(1)
    )


def test_the_network_is_the_kernels_memory_both_ways():
    shared = make()
    record = shared.model.parameters[0]
    with torch.no_grad():
        for parameter in shared.network.parameters():
            parameter.fill_(2.0)
        shared.network.fc_v.bias.fill_(3.0)
    assert (record["fc1_weight"][:5] == 2).all()
    assert not record["fc1_weight"][5:].any()  # padding
    assert record["heads_bias"].tolist() == [2, 2, 2, 3]
    shared.model.parameters_M[:] = 7.0
    assert all((parameter == 7).all() for parameter in shared.network.parameters())
    record["fc1_weight"][1, 6] = 9.0
    assert shared.network.fc1.weight[6, 1] == 9
    assert {name: tuple(p.shape) for name, p in shared.network.named_parameters()} == {
        "fc1.weight": (8, 5),
        "fc1.bias": (8,),
        "fc_pi.weight": (3, 8),
        "fc_pi.bias": (3,),
        "fc_v.weight": (1, 8),
        "fc_v.bias": (1,),
    }


@pytest.mark.parametrize(
    ("optimizer", "make_other", "eps", "numbers"),
    [
        ("adam", torch.optim.Adam, 1e-8, {"step": 7, "exp_avg": 2, "exp_avg_sq": 3}),
        ("rmsprop", torch.optim.RMSprop, 1e-5, {"step": 7, "square_avg": 3}),
    ],
)
def test_the_optimizer_shows_the_kernels_moments(optimizer, make_other, eps, numbers):
    shared = make(optimizer=optimizer)
    shared.model.mean_M[:], shared.model.square_M[:] = 2.0, 3.0
    saved = shared.state_dict(7, 0.25)
    other = make_other(shared.network.parameters())
    other.load_state_dict(saved["optimizer"])  # torch takes it
    state = other.state_dict()
    assert (state["param_groups"][0]["eps"], state["param_groups"][0]["lr"]) == (eps, 0.25)
    assert len(state["state"]) == 6
    for moments in state["state"].values():
        assert moments.keys() == numbers.keys()
        assert all((moments[name] == number).all() for name, number in numbers.items())
    loaded = make(optimizer=optimizer)
    loaded.load_state_dict(saved)
    assert (loaded.model.square_M == 3).sum() == (shared.model.parameters_M != 0).sum()
    for parameter in shared.network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    other.step()  # nor does it miss a setting


@pytest.mark.parametrize("count", [1, 5])
def test_records_start_at_a_cache_line(count):
    records = aligned(count, np.dtype([("a", np.float32, 3)]))
    assert records.ctypes.data % 64 == 0
    assert len(records) == count
    assert not records.view(np.float32).any()


def settings_of(config, time_limit=None):
    return KernelParameters(config, 4, discrete(2), seed_sequences(1), time_limit).model.settings[0]


def test_settings_left_out_mean_no_limit():
    settings = settings_of(Config())
    assert settings["max_grad_norm"] == settings["anneal_over"] == math.inf
    assert settings["time_limit"] > 10**18
    assert settings["gamma"] == np.float32(0.98)
    assert settings["bootstrap_truncated"] == 1
    config = Config(max_grad_norm=0.5, anneal_lr=True, total_timesteps=77, bootstrap_truncated=False)
    settings = settings_of(config, 200)
    assert [settings[name].item() for name in ("max_grad_norm", "anneal_over", "time_limit")] == [
        0.5,
        77,
        200,
    ]
    assert settings["bootstrap_truncated"] == 0


def test_the_optimizer_and_the_schedules_are_told():
    settings = settings_of(Config(optimizer="rmsprop", value_loss="mse", ent_coef=0.5))
    assert settings["is_rmsprop"] == settings["is_mse"] == 1
    assert settings["optimizer_eps"] == 1e-5
    assert settings["ent_coef"] == settings["ent_coef_first"] == 0.5
    assert settings["ent_coef_over"] == math.inf
    config = Config(ent_coef_schedule="linear", ent_coef_final=0.25, lr_final=0.5, anneal_lr=True)
    settings = settings_of(replace(config, total_timesteps=77, optimizer_eps=0.1))
    assert settings["is_rmsprop"] == settings["is_mse"] == 0
    names = ("ent_coef_over", "ent_coef_final", "lr_final", "optimizer_eps")
    assert [settings[name].item() for name in names] == [77, 0.25, 0.5, 0.1]


def test_metrics_are_means_over_the_rows_of_all_blocks():
    sums = np.zeros(2, SUMS)
    # targets 0, 4 and values 1, 3: errors -1, 1; Var[error] = 1, Var[target] = 4
    sums[0] = (1, 2.0, 3.0, 0.5, -1.0, 1.0, 0.0, 0.0)
    sums[1] = (1, 4.0, 5.0, 0.7, 1.0, 1.0, 4.0, 16.0)
    metrics = KernelUpdate(sums, 0.25, 1e-3, vf_coef=0.5, ent_coef=0.1).read()
    assert metrics == pytest.approx(
        {
            "train/loss": 3 + 0.5 * 4 - 0.1 * 0.6,
            "train/policy_loss": 3,
            "train/value_loss": 4,
            "train/entropy": 0.6,
            "train/grad_norm": 0.25,
            "train/explained_variance": 0.75,
            "train/learning_rate": 1e-3,
        }
    )


def test_equal_targets_have_no_variance_to_explain():
    sums = np.zeros(1, SUMS)
    sums[0] = (3, 0, 0, 0, 0.3, 0.05, 0.3, 0.03)
    assert math.isnan(KernelUpdate(sums, 0.0, 0.0, 1.0, 0.0).read()["train/explained_variance"])
