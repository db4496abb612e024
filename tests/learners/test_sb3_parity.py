"""With Stable-Baselines3's A2C settings, an update on its rollout is its update, number by number.

The numbers were recorded by benchmarks/peer_sb3_update.py, which explains them.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from vecac.actions import ActionForm
from vecac.algorithm.rollout import Rollout
from vecac.algorithm.schedule import rates_at
from vecac.config import Config
from vecac.learners.torch_learner import TorchLearner
from vecac.seeding import seed_sequences
from vecac.transition import Transition

CASES = json.loads((Path(__file__).parents[1] / "golden" / "sb3_a2c_updates.json").read_text())["cases"]
TOLERANCE = 1e-5
NAMES = {
    "mlp_extractor.policy_net.0": "fc1",
    "mlp_extractor.policy_net.2": "fc2",
    "mlp_extractor.value_net.0": "critic1",
    "mlp_extractor.value_net.2": "critic2",
    "action_net": "fc_pi",
    "value_net": "fc_v",
}


def our_name(theirs):
    layer, _, kind = theirs.rpartition(".")
    return f"{NAMES[layer]}.{kind}" if layer else "head.log_std"


def ours(theirs):
    """Arrays by our names."""
    return {our_name(name): torch.tensor(array, dtype=torch.float32) for name, array in theirs.items()}


def config_of(settings):
    return Config(
        num_envs=settings["num_envs"],
        n_rollout=settings["n_steps"],
        hidden_sizes=settings["hidden_sizes"],
        activation="tanh",
        separate_critic=True,
        init="orthogonal",
        optimizer="rmsprop",
        optimizer_eps=settings["rms_prop_eps"],
        learning_rate=settings["learning_rate"],
        gamma=settings["gamma"],
        gae_lambda=settings["gae_lambda"],
        ent_coef=settings["ent_coef"],
        vf_coef=settings["vf_coef"],
        value_loss="mse",
        reward_scale=1.0,
        normalize_advantage=settings["normalize_advantage"],
        max_grad_norm=settings["max_grad_norm"],
        learner="torch",
    )


def rollout_of(update, form):
    """The rollout as the same-step autoreset mode hands it out, in which Stable-Baselines3 collects."""
    obs_SND = np.array(update["obs"], np.float32)
    reward_TN = np.array(update["reward"], np.float32)
    terminated_TN, truncated_TN = (np.array(update[name], np.bool_) for name in ("terminated", "truncated"))
    successor_TND = obs_SND[1:].copy()
    for last in update["last_obs"]:
        successor_TND[last["step"], last["env"]] = np.array(last["obs"], np.float32)
    num_steps, num_envs = reward_TN.shape
    rollout = Rollout(num_steps, num_envs, obs_SND.shape[2], form, True, torch.device("cpu"))
    rollout.start(obs_SND[0])
    for t in range(num_steps):
        step = reward_TN[t], terminated_TN[t], truncated_TN[t], successor_TND[t], np.ones(num_envs, np.bool_)
        rollout.insert(t, Transition(obs_SND[t], *step), obs_SND[t + 1])
    rollout.tensors.action_TN.copy_(torch.tensor(update["action"]))
    rollout.finish()
    return rollout


def learner_of(case):
    config, first = config_of(case["settings"]), case["updates"][0]
    if case["actions"] == "Discrete":
        form = ActionForm("discrete", (len(case["parameters"]["action_net.bias"]),))
    else:
        form = ActionForm("box", (len(case["parameters"]["log_std"]),))
    obs_size = len(first["obs"][0][0])
    learner = TorchLearner(config, obs_size, form, torch.device("cpu"), seed_sequences(1))
    learner.network.load_state_dict(ours(case["parameters"]))
    return config, form, learner


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_two_updates_are_those_of_a2c(case):
    config, form, learner = learner_of(case)
    clipped = []
    for update in case["updates"]:
        rollout = rollout_of(update, form)
        report = learner.update(rollout, rates_at(config, 0))
        terms = report.terms
        assert terms.policy.item() == pytest.approx(update["policy_loss"], abs=TOLERANCE, rel=TOLERANCE)
        assert terms.value.item() == pytest.approx(update["value_loss"], abs=TOLERANCE, rel=TOLERANCE)
        assert terms.entropy.item() == pytest.approx(-update["entropy_loss"], abs=TOLERANCE, rel=TOLERANCE)
        assert report.grad_norm.item() == pytest.approx(update["gradient_norm"], rel=TOLERANCE)
        scale = min(1.0, config.max_grad_norm / (update["gradient_norm"] + 1e-6))
        clipped.append(scale < 1)
        largest = max(np.abs(array).max() for array in update["gradients"].values())
        for name, expected in ours(update["gradients"]).items():
            gradient = learner.network.get_parameter(name).grad
            assert torch.allclose(gradient, expected * scale, rtol=TOLERANCE, atol=TOLERANCE * largest), name
        for name, expected in ours(update["parameters"]).items():
            assert torch.allclose(learner.network.get_parameter(name), expected, rtol=0, atol=TOLERANCE), name
    assert len(set(clipped)) == 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_its_advantages_are_targets_minus_values(case):
    config, form, learner = learner_of(case)
    update = case["updates"][0]
    (block,) = learner.update(rollout_of(update, form), rates_at(config, 0)).blocks
    advantage = (block.target_B - block.value_B).numpy()
    expected = np.array(update["advantage"], np.float32).ravel()
    assert np.allclose(advantage, expected, rtol=TOLERANCE, atol=TOLERANCE * np.abs(expected).max())
    assert np.allclose(block.target_B, np.array(update["return"]).ravel(), rtol=1e-5, atol=1e-4)


def test_the_cases_have_both_kinds_of_end_actions_and_clipping():
    assert {case["actions"] for case in CASES} == {"Discrete", "Box"}
    updates = [update for case in CASES for update in case["updates"]]
    assert any(np.any(update["terminated"]) for update in updates)
    assert any(np.any(update["truncated"]) for update in updates)
    norms = [
        update["gradient_norm"] < case["settings"]["max_grad_norm"]
        for case in CASES
        for update in case["updates"]
    ]
    assert set(norms) == {True, False}
