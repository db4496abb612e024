"""The fused engine's updates: torch's optimisers, schedules and clipping."""

import math

import pytest
import torch
from kernel_support import state_of
from support import SMALL

from vecac.algorithm.network import ActorCritic
from vecac.config import Config
from vecac.engines.fused_engine import FusedEngine
from vecac.kernels.environments.cartpole import CARTPOLE
from vecac.learners.optimizers import make_optimizer
from vecac.seeding import seed_sequences


def make(**settings):
    config = Config(engine="fused", **settings)
    engine = FusedEngine(config, CARTPOLE, 500, 1, seed_sequences(config.seed))
    engine.reset()
    return engine


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_grad_norm": 0.01},
        {"anneal_lr": True, "total_timesteps": 500},
        {"optimizer": "rmsprop", "lr_schedule": "linear", "lr_final": 1e-3, "total_timesteps": 200},
    ],
    ids=str,
)
def test_five_updates_are_those_of_torchs_optimizer(settings):
    engine = make(num_envs=4, n_rollout=5, learning_rate=1e-2, **SMALL, **settings)
    network = ActorCritic(4, 2, *SMALL["hidden_sizes"])
    network.load_state_dict(engine.network.state_dict())
    optimizer = make_optimizer(Config(**settings), network)
    for update in range(5):
        engine.iterate(1)
        for name, gradient in engine._shared.gradient().items():
            dict(network.named_parameters())[name].grad = gradient  # clipped already
        final, done = settings.get("lr_final", 0.0), 20 * update / settings.get("total_timesteps", math.inf)
        rate = final + (1e-2 - final) * (1 - done)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        assert engine.iterate(0).last_update.read()["train/learning_rate"] == pytest.approx(rate)
    assert torch.allclose(state_of(engine.network), state_of(network), rtol=1e-5, atol=1e-6)
    expected, actual = optimizer.state_dict(), engine.policy_state()["optimizer"]
    assert actual["param_groups"][0]["lr"] == pytest.approx(rate)
    for index, state in expected["state"].items():
        for name, tensor in state.items():
            assert torch.allclose(actual["state"][index][name], tensor, rtol=1e-4, atol=1e-9), name


def test_the_entropy_bonus_is_scheduled_by_the_steps_before_the_rollout():
    scheduled = {"ent_coef_schedule": "linear", "ent_coef_final": 0.1, "total_timesteps": 100}
    engine = make(num_envs=4, n_rollout=5, ent_coef=0.5, **SMALL, **scheduled)
    for update in range(3):
        settings = engine.memory.model.settings
        ent_coef = 0.5 - 0.4 * 20 * update / 100
        assert settings["ent_coef"] == pytest.approx(ent_coef)
        read = engine.iterate(1).last_update.read()
        terms = read["train/policy_loss"] + read["train/value_loss"] - ent_coef * read["train/entropy"]
        assert read["train/loss"] == pytest.approx(terms, rel=1e-5)


def test_clipping_leaves_the_norm_asked_for():
    engine = make(max_grad_norm=1e-3)
    norm = engine.iterate(1).last_update.read()["train/grad_norm"]
    squares = sum(float((grad**2).sum()) for grad in engine._shared.gradient().values())
    assert norm > 2e-3  # before clipping
    assert math.sqrt(squares) == pytest.approx(1e-3, rel=1e-3)
