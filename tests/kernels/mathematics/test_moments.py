"""Running mean and variance, against a plain pass over all the numbers so far.

Shapes: T rollout steps, S = T + 1, N environments, D observation size.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from learner_support import discrete
from numba import njit

from vecac.config import Config
from vecac.kernels.mathematics.loss import SETTINGS
from vecac.kernels.mathematics.moments import RETURN_MOMENTS, take_in_observations, take_in_returns
from vecac.learners.kernel_parameters import KernelParameters
from vecac.seeding import seed_sequences

T, N, D = 6, 4, 3


@njit
def take_in(model, obs_SND):
    take_in_observations(model, obs_SND)


@pytest.mark.parametrize("far", [0.0, 1e4])
def test_observations_that_were_acted_on_count_once(far):
    rng = np.random.default_rng(1)
    shared = KernelParameters(Config(hidden_size=8, norm_obs=True), D, discrete(2), seed_sequences(1))
    norm, rows = shared.network.obs_norm, []
    for _ in range(3):
        obs_SND = (far + rng.normal(2, [1, 5, 0], (T + 1, N, D))).astype(np.float32)
        take_in(shared.model, obs_SND)
        rows.append(obs_SND[:-1].reshape(-1, D).astype(np.float64))
        all_rows = np.concatenate(rows)
        assert np.allclose(norm.mean, all_rows.mean(axis=0), rtol=1e-12)
        assert np.allclose(norm.var, all_rows.var(axis=0), rtol=1e-6)
        assert norm.count == len(all_rows)
        assert np.allclose(norm.shift, norm.mean, rtol=1e-7)
        assert np.allclose(norm.scale, 1 / np.sqrt(norm.var + 1e-8), rtol=1e-6)


def test_a_model_that_does_not_normalise_takes_nothing_in():
    model = KernelParameters(Config(hidden_size=8), D, discrete(2), seed_sequences(1)).model
    take_in(model, np.ones((T + 1, N, D), np.float32))
    assert model.norm == ()


class Rows(NamedTuple):
    reward_TN: Any
    terminated_TN: Any
    truncated_TN: Any


def test_returns_are_discounted_and_begin_anew_at_every_end():
    rng = np.random.default_rng(1)
    moments, settings = np.zeros(1, RETURN_MOMENTS), np.zeros(1, SETTINGS)
    moments["reward_scale"], moments["epsilon"] = 0.5, 1e-8
    settings["gamma"] = 0.75
    return_N, so_far, rows = np.zeros(N), np.zeros(N), []
    for _ in range(3):
        reward_TN = rng.normal(1, 2, (T, N)).astype(np.float32)
        terminated_TN, truncated_TN = rng.random((2, T, N)) < 0.2
        take_in_returns(moments[0], return_N, Rows(reward_TN, terminated_TN, truncated_TN), settings[0])
        for t in range(T):
            so_far = reward_TN[t] + 0.75 * so_far
            rows += so_far.tolist()
            so_far = np.where(terminated_TN[t] | truncated_TN[t], 0.0, so_far)
        assert np.allclose(return_N, so_far)
        assert moments["count"] == len(rows)
        assert moments["mean"] == pytest.approx(np.mean(rows))
        assert moments["var"] == pytest.approx(np.var(rows))
        assert settings["reward_scale"] == pytest.approx(0.5 / math.sqrt(np.var(rows)))
