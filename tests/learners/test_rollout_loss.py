"""The loss with what A2C users set, against the same written out for one row after the other."""

import pytest
import torch
import torch.nn.functional as F
from learner_support import collect, counting_config, make_learner

from vecac.learners.rollout_loss import RolloutLoss

MODES = ["next-step", "same-step", "disabled"]


def rows_of(config, learner, transitions):
    """(log probability, entropy, value, target) of each valid transition, one-step targets."""
    for row in transitions:
        if not row["valid"]:
            continue
        logits, value = learner.network(torch.from_numpy(row["obs"]))
        log_prob = logits.log_softmax(-1)
        target = torch.tensor(config.reward_scale * float(row["reward"]))
        if not row["terminated"]:
            target += config.gamma * learner.network(torch.from_numpy(row["next_obs"]))[1].detach()
        yield log_prob[int(row["action"])], -(log_prob.exp() * log_prob).sum(), value, target


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("block_rows", [1024, 14])
@pytest.mark.parametrize("settings", [{"normalize_advantage": True}, {"value_loss": "mse"}], ids=str)
def test_the_terms_are_those_of_the_rows_one_by_one(mode, block_rows, settings, monkeypatch):
    monkeypatch.setattr("vecac.learners.rollout_loss.CPU_BLOCK_ROWS", block_rows)  # 14: two copies a block
    config = counting_config(autoreset_mode=mode, ent_coef=0.1, vf_coef=0.5, **settings)
    learner = make_learner(config)
    rollout, transitions = collect(config, learner)
    log_prob, entropy, value, target = map(
        torch.stack, zip(*rows_of(config, learner, transitions), strict=True)
    )
    advantage = (target - value).detach()
    if config.normalize_advantage:
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    distance = F.mse_loss if config.value_loss == "mse" else F.smooth_l1_loss
    policy, value_error = -(log_prob * advantage).mean(), distance(value, target)
    expected = policy + 0.5 * value_error - 0.3 * entropy.mean()  # as scheduled, whatever the config says
    gradient = torch.autograd.grad(expected, list(learner.network.parameters()))
    blocks = RolloutLoss(config, learner.network).backward(rollout, 0.3)
    assert len(blocks) == (1 if block_rows == 1024 else 3)
    ours = sum(block.terms.total.item() * block.share for block in blocks)
    assert ours == pytest.approx(expected.item(), rel=1e-5)
    for parameter, reference in zip(learner.network.parameters(), gradient, strict=True):
        assert torch.allclose(parameter.grad, reference, rtol=1e-4, atol=1e-6)


def test_a_single_row_has_no_deviation_and_keeps_its_advantage():
    config = counting_config(normalize_advantage=True)
    learner = make_learner(config)
    rollout, _ = collect(config, learner)
    rollout.valid_TN[:] = False
    rollout.valid_TN[0, 0] = True
    (block,) = RolloutLoss(config, learner.network).backward(rollout, 0.0)
    assert block.terms.total.isfinite()
    assert block.terms.policy != 0
