"""What Stable-Baselines3's A2C wrote down is what its documentation in `peer_sb3_update.py` says it is."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_updates import assert_close
from torch.nn.functional import linear

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "golden" / "sb3_a2c_updates.json").read_text(encoding="utf-8")
)
CASES = [pytest.param(case, id=case["name"]) for case in GOLDEN["cases"]]


def layers(parameters, hidden, head, obs):
    for layer in (f"{hidden}.0", f"{hidden}.2"):
        obs = torch.tanh(linear(obs, parameters[f"{layer}.weight"], parameters[f"{layer}.bias"]))
    return linear(obs, parameters[f"{head}.weight"], parameters[f"{head}.bias"])


def value_of(parameters, obs):
    return layers(parameters, "mlp_extractor.value_net", "value_net", obs).squeeze(-1)


def policy_of(parameters, obs):
    mean = layers(parameters, "mlp_extractor.policy_net", "action_net", obs)
    if "log_std" not in parameters:
        return torch.distributions.Categorical(logits=mean)
    normal = torch.distributions.Normal(mean, parameters["log_std"].exp())
    return torch.distributions.Independent(normal, 1)


def advantages(update, parameters, gamma, lam):
    """By their definition: the sum, over what is left of the episode, of (gamma lam)^k delta_k."""
    terminated, truncated = np.array(update["terminated"]), np.array(update["truncated"])
    value = value_of(parameters, torch.tensor(update["obs"]))
    next_value = value[1:].clone()
    for end in update["last_obs"]:
        next_value[end["step"], end["env"]] = value_of(parameters, torch.tensor(end["obs"]))
    delta = torch.tensor(update["reward"]) + gamma * next_value * ~torch.tensor(terminated) - value[:-1]
    ended, advantage = terminated | truncated, torch.zeros_like(delta)
    for t, n in np.ndindex(*delta.shape):
        for k in range(t, len(delta)):
            advantage[t, n] += (gamma * lam) ** (k - t) * delta[k, n]
            if ended[k, n]:
                break
    return advantage


def total_loss(case, update, parameters, advantage, returns):
    """The three terms, and what is differentiated."""
    settings, obs = case["settings"], torch.tensor(update["obs"])[:-1]
    policy, action = policy_of(parameters, obs), torch.tensor(update["action"])
    if settings["normalize_advantage"]:
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    terms = {
        "policy_loss": -(advantage * policy.log_prob(action)).mean(),
        "value_loss": (returns - value_of(parameters, obs)).square().mean(),
        "entropy_loss": -policy.entropy().mean(),
    }
    weights = 1.0, settings["vf_coef"], settings["ent_coef"]
    return terms, sum(weight * term for weight, term in zip(weights, terms.values(), strict=True))


def tensors(arrays):
    return {name: torch.tensor(array) for name, array in arrays.items()}


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_follow_from_each_other_by_plain_mathematics(case):
    settings = case["settings"]
    parameters = {name: tensor.requires_grad_() for name, tensor in tensors(case["parameters"]).items()}
    options = {"alpha": settings["rms_prop_alpha"], "eps": settings["rms_prop_eps"]}
    optimizer = torch.optim.RMSprop(parameters.values(), settings["learning_rate"], **options)
    for update in case["updates"]:
        obs = torch.tensor(update["obs"])
        with torch.no_grad():
            value = value_of(parameters, obs)
            assert_close(value[:-1], update["value"])
            assert_close(value[-1], update["last_value"])
            log_prob = policy_of(parameters, obs[:-1]).log_prob(torch.tensor(update["action"]))
            assert_close(log_prob, update["log_prob"])
            advantage = advantages(update, parameters, settings["gamma"], settings["gae_lambda"])
        assert_close(advantage, update["advantage"])
        assert_close(advantage + value[:-1], update["return"])
        terms, loss = total_loss(case, update, parameters, advantage, advantage + value[:-1])
        for name, term in terms.items():
            assert term.item() == pytest.approx(update[name], rel=1e-5, abs=1e-5)
        optimizer.zero_grad()
        loss.backward()
        largest = max(torch.tensor(array).abs().max().item() for array in update["gradients"].values())
        for name, array in update["gradients"].items():
            assert_close(parameters[name].grad, array, scale=largest)
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), settings["max_grad_norm"])
        assert norm.item() == pytest.approx(update["gradient_norm"], rel=1e-5)
        optimizer.step()
        for name, array in update["parameters"].items():
            scale = max(torch.tensor(array).abs().max().item(), settings["learning_rate"])
            assert_close(parameters[name].detach(), array, scale)


def test_the_cases_have_what_is_easily_got_wrong():
    seen = {"CartPole-v1": set(), "Pendulum-v1": set(), "LunarLander-v3": set()}
    clipped = set()
    for case in GOLDEN["cases"]:
        for update in case["updates"]:
            terminated, truncated = np.array(update["terminated"]), np.array(update["truncated"])
            ends = zip(terminated.flatten().tolist(), truncated.flatten().tolist(), strict=True)
            last = zip(terminated[-1].tolist(), truncated[-1].tolist(), strict=True)
            seen[case["env_id"]] |= {*ends, *(("last row", *pair) for pair in last if any(pair))}
            assert len(update["last_obs"]) == (terminated | truncated).sum()
            clipped.add(update["gradient_norm"] > case["settings"]["max_grad_norm"])
            assert case["actions"] == "Discrete" or np.abs(update["action"]).max() > 2  # outside the Box
    assert seen["CartPole-v1"] >= {(True, False), (False, True), ("last row", False, True)}
    assert seen["Pendulum-v1"] >= {(True, False), (False, True), (True, True), ("last row", True, False)}
    assert clipped == {True, False}


def test_it_writes_the_same_numbers_again():
    pytest.importorskip("stable_baselines3", reason="the peers are not installed")
    import peer_sb3_update

    for index in (1, 4):
        recorded = peer_sb3_update.record_case(*peer_sb3_update.CASES[index])
        case = json.loads(peer_sb3_update.format_value(recorded))
        golden = GOLDEN["cases"][index]
        assert case["settings"] == golden["settings"] and case.keys() == golden.keys()
        for update, expected in zip(case["updates"], golden["updates"], strict=True):
            assert update.keys() == expected.keys()
            assert_close(torch.tensor(update["obs"]), expected["obs"])
            for name, array in expected["parameters"].items():
                assert_close(torch.tensor(update["parameters"][name]), array, scale=1.0)
