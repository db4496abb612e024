"""One choice: softmax, sampling and what is most probable, against torch and by hand."""

import numpy as np
import pytest
import torch

from vecac.kernels.mathematics.categorical import differentiate_choice, greedy, sample, softmax


def heads_of(logits):
    """With what stands behind them: the value, and padding."""
    return np.array([*(logit - logits[-1] for logit in logits[:-1]), 7.0, 7.0], np.float32)


@pytest.mark.parametrize(
    "logits", [[0.3], [0.0, 0.0], [1.0, -2.0], [100.0, -100.0, 99.0], [-3.0, 2.0, 5.0, 5.0]]
)
def test_softmax_is_torchs_also_where_it_would_overflow(logits):
    probability = np.zeros(len(logits), np.float32)
    log_normaliser = softmax(heads_of(logits), probability)
    expected = torch.tensor(logits).softmax(0).numpy()
    assert probability == pytest.approx(expected, rel=1e-6, abs=1e-30)
    log_sum = torch.tensor(logits).logsumexp(0) - logits[-1]
    assert log_normaliser == pytest.approx(float(log_sum), rel=1e-6, abs=1e-7)


def test_sample_takes_the_action_whose_share_holds_the_number():
    probability = np.array([0.25, 0.5, 0.25], np.float32)
    drawn = [sample(probability, uniform) for uniform in (0.0, 0.2499, 0.25, 0.7499, 0.75, 0.9999)]
    assert drawn == [0, 0, 1, 1, 2, 2]
    assert sample(np.array([1.0], np.float32), 0.5) == 0
    assert sample(np.array([0.0, 1.0], np.float32), 0.0) == 1  # what has no share is never drawn


@pytest.mark.parametrize("num_actions", [1, 2, 3, 5])
def test_greedy_takes_the_first_of_the_most_probable(num_actions):
    rng = np.random.default_rng(num_actions)
    for _ in range(200):
        logits = rng.integers(-2, 3, num_actions).astype(np.float32)  # with ties
        heads = np.append((logits - logits[-1])[:-1], [7, 7]).astype(np.float32)  # the value, and padding
        assert greedy(heads, num_actions) == int(torch.from_numpy(logits).argmax())


@pytest.mark.parametrize("action", [0, 1, 2])
@pytest.mark.parametrize("ent_coef", [0.0, 0.3])
def test_derivative_is_autograds(action, ent_coef):
    logits, advantage = [0.5, -1.0, 0.2], np.float32(-1.7)
    heads, probability, d_heads = heads_of(logits), np.zeros(3, np.float32), np.full(5, 9.0, np.float32)
    log_normaliser = softmax(heads, probability)
    told = differentiate_choice(
        heads, probability, log_normaliser, action, advantage, np.float32(ent_coef), d_heads
    )
    row = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    log_prob = row.log_softmax(0)
    entropy = -(log_prob.exp() * log_prob).sum()
    (-log_prob[action] * float(advantage) - ent_coef * entropy).backward()
    assert told == pytest.approx((log_prob[action].item(), entropy.item()), rel=1e-5)
    assert d_heads[:2] == pytest.approx(row.grad[:2].tolist(), rel=1e-5, abs=1e-7)
    assert (d_heads[2:] == 9).all()  # which are no part of the choice
