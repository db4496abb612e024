"""The gradient of a rollout by td.py, against the formula in float64, transition by transition."""

import math

import pytest
import torch
from golden_updates import assert_close
from learner_support import MODES, collect, counting_config, learners_gradient, make_learner


def loss_in_double(network, transitions, config, wrong=None):
    """The loss one transition at a time, straight from its formula; `wrong` names a mistake to make."""

    def evaluate(obs):
        logits, value = network(torch.from_numpy(obs).double())
        return logits.log_softmax(0), value

    total, rows = torch.zeros((), dtype=torch.float64), 0
    for row in transitions:
        rows += 1
        if not row["valid"] and wrong != "dead rows":
            rows -= wrong != "mean over T x N"
            continue
        log_prob, value = evaluate(row["obs"])
        successor = {"reset observation": row["shown_next"], "V(s_t)": row["obs"]}.get(wrong, row["next_obs"])
        if wrong == "V(s_t)" and not row["truncated"]:
            successor = row["next_obs"]
        ends = row["terminated"] or (row["truncated"] and wrong == "truncation as termination")
        target = float(row["reward"]) * config.reward_scale
        if not ends:
            target += config.gamma * evaluate(successor)[1].item()
        advantage = target - value.item()
        distance = (value - target).abs()
        smooth = 0.5 * distance**2 if distance < 1 else distance - 0.5
        entropy = -(log_prob.exp() * log_prob).sum()
        total = total - log_prob[row["action"]] * advantage
        total = total + config.vf_coef * smooth - config.ent_coef * entropy
    return total / rows


def reference_gradient(network, transitions, config, wrong=None):
    network.double()
    network.zero_grad()
    loss = loss_in_double(network, transitions, config, wrong)
    loss.backward()
    gradient = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}
    network.float()
    return loss.item(), gradient


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("loss", [{}, {"ent_coef": 0.3, "vf_coef": 0.5}], ids=str)
def test_the_gradient_is_the_formulas_on_the_valid_transitions(mode, loss):
    config = counting_config(autoreset_mode=mode, **loss)
    learner = make_learner(config)
    rollout, transitions = collect(config, learner)
    assert {(bool(row["terminated"]), bool(row["truncated"])) for row in transitions} == {
        (False, False),
        (True, False),
        (False, True),
        (True, True),
    }
    assert all(row["valid"] for row in transitions) == (mode != "next-step")
    expected_loss, expected = reference_gradient(learner.network, transitions, config)
    report, actual = learners_gradient(learner, rollout)
    assert math.isclose(report.terms.total.item(), expected_loss, rel_tol=1e-5)
    for name, gradient in actual.items():
        # Contributions to the policy's bias cancel: float32 rounds at the size of what is summed.
        scale = 0.1 if name == "fc_pi.bias" else expected[name].abs().max().item()
        assert_close(gradient, expected[name], scale)


@pytest.mark.parametrize(
    ("wrong", "mode"),
    [
        ("truncation as termination", "next-step"),
        ("truncation as termination", "same-step"),
        ("reset observation", "same-step"),
        ("reset observation", "disabled"),
        ("V(s_t)", "next-step"),
        ("V(s_t)", "same-step"),
        ("dead rows", "next-step"),
        ("mean over T x N", "next-step"),
    ],
)
def test_each_wrong_variant_gives_another_number(wrong, mode):
    config = counting_config(autoreset_mode=mode)
    learner = make_learner(config)
    rollout, transitions = collect(config, learner)
    wrong_loss, _ = reference_gradient(learner.network, transitions, config, wrong)
    report, _ = learners_gradient(learner, rollout)
    assert abs(report.terms.total.item() - wrong_loss) > 1e-3 * abs(wrong_loss)


def test_no_bootstrap_truncated_is_the_notebooks_reading():
    config = counting_config(bootstrap_truncated=False)
    learner = make_learner(config)
    rollout, transitions = collect(config, learner)
    expected, _ = reference_gradient(learner.network, transitions, config, "truncation as termination")
    assert math.isclose(learners_gradient(learner, rollout)[0].terms.total.item(), expected, rel_tol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("mode", MODES)
def test_cuda_agrees_with_the_formula(mode):
    config = counting_config(autoreset_mode=mode)
    learner = make_learner(config, device=torch.device("cuda"))
    rollout, transitions = collect(config, learner)
    _, actual = learners_gradient(learner, rollout)
    learner.network.cpu()
    _, expected = reference_gradient(learner.network, transitions, config)
    for name, gradient in actual.items():
        assert_close(gradient.cpu(), expected[name])
