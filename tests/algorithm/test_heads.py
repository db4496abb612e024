import math

import pytest
import torch
from torch import distributions, tensor

from vecac.actions import ActionForm
from vecac.algorithm.heads import Bernoulli, Categorical, Gaussian, MultiCategorical, gumbel_noise, make_head

FORMS = [
    ActionForm("discrete", (4,)),
    ActionForm("multi-discrete", (2, 3, 4)),
    ActionForm("multi-binary", (3,)),
    ActionForm("box", (3,)),
]
B = 6


def reference(form, head, outputs):
    """The distribution by torch.distributions, whose log_prob and entropy are (B,)."""
    if form.kind == "discrete":
        return distributions.Categorical(logits=outputs)
    if form.kind == "multi-binary":
        return distributions.Independent(distributions.Bernoulli(logits=outputs), 1)
    return distributions.Independent(distributions.Normal(outputs, head.log_std.exp()), 1)


def reference_numbers(form, head, outputs, action):
    """log_prob and entropy (B,) by torch.distributions."""
    if form.kind == "multi-discrete":
        parts = outputs.split(form.sizes, dim=-1)
        each = [distributions.Categorical(logits=part) for part in parts]
        log_prob = sum(one.log_prob(action[:, index]) for index, one in enumerate(each))
        return log_prob, sum(one.entropy() for one in each)
    expected = reference(form, head, outputs)
    return expected.log_prob(action.float() if form.kind == "multi-binary" else action), expected.entropy()


def draw_outputs(head, batch=(B,), seed=0):
    return torch.randn(*batch, head.num_outputs, generator=torch.Generator().manual_seed(seed))


def draw_action(head, outputs, seed=1):
    return head.sample(outputs, head.draw_noise(outputs.shape[:-1], torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_log_probability_and_entropy_are_those_of_torch_distributions(form):
    head = make_head(form, log_std_init=-0.3)
    outputs = draw_outputs(head).requires_grad_()
    action = draw_action(head, outputs).detach()
    log_prob, entropy = head.evaluate(outputs, action)
    expected = reference_numbers(form, head, outputs, action)
    assert log_prob.shape == entropy.shape == (B,)
    assert torch.allclose(log_prob, expected[0], atol=1e-5)
    assert torch.allclose(entropy, expected[1], atol=1e-5)
    # The gradient of both, by which the policy learns.
    by = [outputs, *head.parameters()]
    ours = torch.autograd.grad((log_prob * torch.arange(B) + entropy).sum(), by)
    theirs = torch.autograd.grad((expected[0] * torch.arange(B) + expected[1]).sum(), by)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("batch", [(), (3,), (2, 5)])
def test_actions_have_the_form_that_was_asked_for(form, batch):
    head = make_head(form)
    outputs = draw_outputs(head, batch)
    for action in (draw_action(head, outputs), head.greedy(outputs)):
        assert action.shape == (*batch, *form.shape)
        assert action.numpy().dtype == form.dtype
        assert form.require(action.numpy()) is None, "they were refused"


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_noise_follows_its_generator(form):
    head = make_head(form)
    outputs = draw_outputs(head)
    assert torch.equal(draw_action(head, outputs, seed=3), draw_action(head, outputs, seed=3))
    one, other = (head.draw_noise((B,), torch.Generator().manual_seed(seed)) for seed in (3, 4))
    assert not torch.equal(one, other)


def test_categorical_frequencies():
    probability = tensor([0.1, 0.6, 0.3])
    action = draw_action(Categorical(3), probability.log().expand(100_000, 3))
    assert torch.allclose(action.bincount() / 100_000, probability, atol=0.006)  # 3.9 standard deviations


def test_choices_are_drawn_each_by_itself():
    probabilities = tensor([0.2, 0.8]), tensor([0.1, 0.6, 0.3])
    outputs = torch.cat(probabilities).log().expand(100_000, 5)
    first, second = draw_action(MultiCategorical((2, 3)), outputs).unbind(dim=-1)
    joint = (first * 3 + second).bincount(minlength=6) / 100_000
    assert torch.allclose(joint, torch.outer(*probabilities).flatten(), atol=0.006)


def test_switches_are_on_by_their_sigmoid():
    probability = tensor([0.1, 0.5, 0.8])
    action = draw_action(Bernoulli(3), probability.logit().expand(100_000, 3))
    assert torch.allclose(action.float().mean(dim=0), probability, atol=0.006)
    assert torch.cov(action.T.float())[0, 1].abs() < 0.002


def test_gaussian_mean_and_deviation():
    head = Gaussian(2)
    head.log_std.data = tensor([0.5, 3.0]).log()
    action = draw_action(head, tensor([1.0, -2.0]).expand(200_000, 2))
    assert torch.allclose(action.mean(dim=0), tensor([1.0, -2.0]), atol=0.03)
    assert torch.allclose(action.std(dim=0), tensor([0.5, 3.0]), rtol=0.01)


def test_gumbel_noise_has_its_mean_and_variance():
    noise = gumbel_noise((1_000_000,), torch.Generator().manual_seed(0))
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.005)
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, abs=0.02)


def test_noise_decides_between_actions():
    logits = tensor([[1.0, 3.0], [1.0, 3.0]])
    assert Categorical(2).sample(logits, tensor([[2.5, 0.0], [1.5, 0.0]])).tolist() == [0, 1]
    assert Bernoulli(2).sample(logits, tensor([[-0.5, -3.5], [-1.5, -2.5]])).tolist() == [[1, 0], [0, 1]]


def test_greedy_by_hand():
    assert Categorical(3).greedy(tensor([[1.0, 3.0, 2.0], [5.0, 5.0, 0.0]])).tolist() == [1, 0]
    assert MultiCategorical((2, 3)).greedy(tensor([[0.0, 1.0, 5.0, 0.0, 6.0]])).tolist() == [[1, 2]]
    assert Bernoulli(3).greedy(tensor([[-0.1, 0.0, 0.1]])).tolist() == [[0, 0, 1]]
    assert Gaussian(2).greedy(tensor([[1.0, 2.0]])).tolist() == [[1.0, 2.0]]


def test_log_probability_of_a_gaussian_by_hand():
    # N(1; 0, 2^2): exp(-1/8) / (2 sqrt(2 pi)); entropy ln 2 + ln(2 pi e) / 2
    log_prob, entropy = Gaussian(1, math.log(2.0)).evaluate(tensor([[0.0]]), tensor([[1.0]]))
    assert log_prob.item() == pytest.approx(math.log(math.exp(-1 / 8) / (2 * math.sqrt(2 * math.pi))))
    assert entropy.item() == pytest.approx(math.log(2) + math.log(2 * math.pi * math.e) / 2)
