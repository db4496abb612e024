"""The targets and the loss, against the notebook's own numbers, mathematics and hand-worked values."""

import math

import pytest
import torch
from golden_updates import GOLDEN, assert_close, assert_summary, golden_batches, golden_network
from torch import tensor

from vecac.algorithm.td import td_lambda_targets, td_loss, td_targets

T, N = 4, 4  # equal on purpose: (N,) against (T, N) mistakes would otherwise be caught by shape alone


def test_five_adam_updates_give_the_notebooks_numbers():
    network = golden_network()
    settings = GOLDEN["settings"]
    optimizer = torch.optim.Adam(
        network.parameters(),
        lr=settings["learning_rate"],
        betas=tuple(settings["adam_betas"]),
        eps=settings["adam_eps"],
        fused=True,
    )
    for batch, expected in zip(golden_batches(), GOLDEN["updates"], strict=True):
        logits, value = network(batch.obs)
        next_value = network(batch.next_obs)[1].detach()
        reward = batch.reward * settings["reward_scale"]
        target = td_targets(reward, batch.terminated, next_value, settings["gamma"])
        terms = td_loss(logits, value, batch.action, target)
        optimizer.zero_grad()
        terms.total.backward()
        assert_close(terms.total.detach(), expected["loss"])
        assert_close(target, expected["td_target"])
        assert_close(target - value.detach(), expected["delta"])
        for name, parameter in network.named_parameters():
            assert_summary(parameter.grad, expected["grad"][name])
        optimizer.step()
        for name, parameter in network.named_parameters():
            assert_summary(parameter.detach(), expected["params"][name])


def test_one_step_targets_by_hand():
    target = td_targets(tensor([1.0, 2.0]), tensor([False, True]), tensor([10.0, 20.0]), 0.5)
    assert target.tolist() == [1 + 0.5 * 10, 2]


def test_a_terminated_row_ignores_even_a_value_that_is_not_a_number():
    target = td_targets(tensor([1.0]), tensor([True]), tensor([math.nan]), 0.5)
    assert target.tolist() == [1.0]


def random_block(seed=0):
    generator = torch.Generator().manual_seed(seed)
    reward, next_value = torch.randn(2, T, N, generator=generator)
    terminated, truncated = torch.rand(2, T, N, generator=generator) < 0.3
    return reward, terminated, truncated, next_value


def test_lambda_0_is_the_one_step_target():
    reward, terminated, truncated, next_value = random_block()
    assert terminated.any() and (truncated & ~terminated).any()
    expected = td_targets(reward, terminated, next_value, 0.9)
    assert torch.equal(td_lambda_targets(reward, terminated, truncated, next_value, 0.9, 0.0), expected)


def test_lambda_1_is_monte_carlo_bootstrapped_where_it_is_cut_off():
    reward = tensor([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [4.0, 4.0, 4.0]])
    next_value = tensor([[10.0, 10.0, 10.0], [20.0, 20.0, 20.0], [40.0, 40.0, 40.0]])
    never = torch.zeros(3, 3, dtype=torch.bool)
    terminated, truncated = never.clone(), never.clone()
    terminated[1, 1] = True
    truncated[1, 2] = True
    target = td_lambda_targets(reward, terminated, truncated, next_value, 0.5, 1.0)
    assert target[:, 0].tolist() == [1 + 0.5 * (2 + 0.5 * (4 + 0.5 * 40)), 2 + 0.5 * (4 + 20), 4 + 20]
    assert target[:, 1].tolist() == [1 + 0.5 * 2, 2, 4 + 20]
    assert target[:, 2].tolist() == [1 + 0.5 * (2 + 0.5 * 20), 2 + 0.5 * 20, 4 + 20]


def test_lambda_in_between_by_hand():
    never = torch.zeros(2, 1, dtype=torch.bool)
    target = td_lambda_targets(tensor([[1.0], [2.0]]), never, never, tensor([[8.0], [16.0]]), 0.5, 0.25)
    last = 2 + 0.5 * 16
    assert target.tolist() == [[1 + 0.5 * (0.75 * 8 + 0.25 * last)], [last]]


def test_lambda_targets_do_not_reach_over_an_episodes_end():
    reward, terminated, truncated, next_value = random_block(1)
    terminated[1], truncated[1] = tensor([True, False] * 2), tensor([False, True] * 2)
    before = td_lambda_targets(reward, terminated, truncated, next_value, 0.9, 0.7)
    reward[2:], next_value[2:] = math.nan, math.nan
    after = td_lambda_targets(reward, terminated, truncated, next_value, 0.9, 0.7)
    assert torch.equal(before[:2], after[:2])


def test_loss_terms_by_hand():
    logits = tensor([[0.0, 0.0], [0.0, math.log(3.0)]])
    terms = td_loss(logits, tensor([1.0, 0.0]), tensor([0, 1]), tensor([1.5, 3.0]), 0.1, 0.5)
    policy = (math.log(2) * 0.5 + math.log(4 / 3) * 3.0) / 2
    value = (0.5 * 0.5**2 + (3.0 - 0.5)) / 2  # quadratic inside 1, linear outside
    entropy = (math.log(2) + (0.25 * math.log(4) + 0.75 * math.log(4 / 3))) / 2
    expected = (policy + 0.5 * value - 0.1 * entropy, policy, value, entropy)
    assert torch.allclose(torch.stack(terms), tensor(expected), atol=1e-6)


def test_gradient_flows_through_neither_target_nor_advantage():
    logits, value = torch.zeros(2, 3, requires_grad=True), torch.zeros(2, requires_grad=True)
    target = tensor([0.25, -0.5], requires_grad=True)
    td_loss(logits, value, tensor([0, 2]), target).total.backward()
    assert target.grad is None
    # d smooth_l1 / d value = (value - target) / B inside the quadratic part; the policy adds nothing.
    assert torch.allclose(value.grad, tensor([-0.125, 0.25]))
    # d policy / d logits = -(onehot - softmax) * advantage / B
    third = 1 / 3
    expected = tensor([[third - 1, third, third], [third, third, third - 1]]) * tensor([[0.125], [-0.25]])
    assert torch.allclose(logits.grad, expected)


def test_entropy_bonus_pushes_towards_indifference():
    logits = tensor([[2.0, 0.0]], requires_grad=True)
    td_loss(logits, tensor([1.0]), tensor([0]), tensor([1.0]), ent_coef=0.5).total.backward()
    assert logits.grad[0, 0] > 0 > logits.grad[0, 1]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"value": torch.zeros(3, 1)}, "value"),
        ({"target": torch.zeros(3, 1)}, "target"),
        ({"action": torch.zeros(2, dtype=torch.int64)}, "action"),
        ({"action": torch.zeros(3)}, "action"),
        ({"logits": torch.zeros(3)}, "logits"),
        ({"logits": torch.zeros(0, 2)}, "logits"),
    ],
)
def test_loss_refuses_wrong_shapes_and_no_rows(change, name):
    good = {
        "logits": torch.zeros(3, 2),
        "value": torch.zeros(3),
        "action": torch.zeros(3, dtype=torch.int64),
        "target": torch.zeros(3),
    }
    with pytest.raises(ValueError, match=name):
        td_loss(**(good | change))


def test_targets_refuse_what_would_broadcast():
    flags = torch.zeros(N, dtype=torch.bool)
    with pytest.raises(ValueError, match="next_value"):
        td_targets(torch.zeros(N), flags, torch.zeros(N, 1), 0.9)
    with pytest.raises(ValueError, match="terminated"):
        td_targets(torch.zeros(T, N), flags, torch.zeros(T, N), 0.9)
    with pytest.raises(ValueError, match="bool"):
        td_targets(torch.zeros(N), torch.zeros(N), torch.zeros(N), 0.9)
    with pytest.raises(ValueError, match="T, N"):
        td_lambda_targets(torch.zeros(N), flags, flags, torch.zeros(N), 0.9, 0.5)
