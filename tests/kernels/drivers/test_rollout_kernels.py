"""The compiled learner's gradient is the torch learner's, over sizes, masks, networks, heads and options."""

import itertools

import numpy as np
import pytest
import torch
from kernel_support import FORMS, assert_gradients_close, plain_form, random_rollout

from vecac.algorithm.schedule import Rates
from vecac.config import Config
from vecac.learners.compiled_learner import CompiledLearner
from vecac.learners.torch_learner import TorchLearner
from vecac.seeding import seed_sequences

PLAIN = [plain_form(4, 2, 24), plain_form(3, 5, 24), plain_form(11, 1, 24)]
OPTIONS = [
    {},
    {"ent_coef": 0.3, "vf_coef": 0.5, "bootstrap_truncated": False},
    {"max_grad_norm": 0.01, "value_loss": "mse", "optimizer": "rmsprop"},
]
LOOKING_AHEAD = [
    {"td_lambda": 0.9, "normalize_advantage": True, "norm_obs": True, "norm_reward": True},
    {"td_lambda": 0.9, "ent_coef": 0.3, "bootstrap_truncated": False, "value_loss": "mse"},
    {"normalize_advantage": True, "norm_obs": True, "clip_obs": 0.7},
]
SHAPES = [(1, 1), (5, 6), (4, 131)]  # (T, N)
OTHERS = [*zip(FORMS, [*LOOKING_AHEAD, OPTIONS[1]], strict=True)]
"""With something of everything, and few kernels to compile."""
ALL_OTHERS = [
    pair for pair in itertools.product([PLAIN[0], *FORMS], [*OPTIONS, *LOOKING_AHEAD]) if pair not in OTHERS
]
CASES = [
    *itertools.product(PLAIN, OPTIONS, SHAPES),
    *((*pair, shape) for pair, shape in itertools.product(OTHERS, SHAPES[1:])),
    *(
        pytest.param(*pair, shape, marks=pytest.mark.slow)
        for pair, shape in itertools.product(ALL_OTHERS, SHAPES[1:])
    ),
]


def learners(form, **settings):
    network = {name: getattr(form, name) for name in ("hidden_sizes", "activation", "separate_critic")}
    config = Config(reward_scale=0.5, **network, **settings)
    sizes, seeds = (form.obs_size, form.action), seed_sequences(config.seed)
    return CompiledLearner(config, *sizes, 1, seeds), TorchLearner(config, *sizes, torch.device("cpu"), seeds)


def move_statistics(network):
    """As if something had been learned from."""
    if network.obs_norm is not None:
        size = network.spec.obs_size
        network.obs_norm.merge(torch.linspace(-1, 1, size), torch.linspace(0.5, 2, size), 10)
    if network.return_moments is not None:
        network.return_moments.merge(torch.tensor(1.0), torch.tensor(4.0), 10)


@pytest.mark.parametrize("hides_final_obs", [False, True])
@pytest.mark.parametrize(("form", "options", "shape"), CASES, ids=str)
def test_gradient_and_metrics_are_those_of_the_torch_learner(form, options, shape, hides_final_obs):
    num_steps, num_envs = shape
    settings = {"n_rollout": num_steps, "num_envs": num_envs} | options
    compiled, torch_learner = learners(form, **settings)
    rollout = random_rollout(*shape, form.obs_size, form.action, hides_final_obs, seed=10 + num_envs)
    rates = Rates(0.0, settings.get("ent_coef", 0.0))
    for learner in (compiled, torch_learner):
        move_statistics(learner.network)
    compiled.start_rollout(rollout)
    actual, expected = compiled.update(rollout, rates), torch_learner.update(rollout, rates)
    if not rollout.valid_TN.any():
        assert actual is expected is None
        return
    gradient = compiled._shared.gradient()
    reference = {name: parameter.grad for name, parameter in torch_learner.network.named_parameters()}
    if form.num_outputs == 1 and form.action.kind == "discrete":  # 0, which torch's rounding misses
        for name in ("fc_pi.weight", "fc_pi.bias"):
            assert not gradient.pop(name).any()
            assert reference.pop(name).abs().max() < 1e-6
    assert_gradients_close(gradient, reference)
    metrics, wanted = actual.read(), expected.read()
    assert metrics.keys() == wanted.keys()
    for name, number in wanted.items():
        assert metrics[name] == pytest.approx(number, rel=1e-4, abs=1e-6, nan_ok=True), name


def test_the_rollouts_have_rows_of_every_kind():
    seen = set()
    for hides_final_obs in (False, True):
        rollout = random_rollout(5, 6, 4, PLAIN[0].action, hides_final_obs)
        flags = (rollout.valid_TN, rollout.terminated_TN, rollout.truncated_TN)
        seen |= set(zip(*(flag.ravel().tolist() for flag in flags), strict=True))
    assert seen == {(False, False, False), *itertools.product([True], [False, True], [False, True])}


@pytest.mark.parametrize(
    ("form", "num_envs", "options"),
    [
        *zip(PLAIN, (1, 5, 70), [{}] * 3, strict=True),
        *((form, 6, options) for form, options in OTHERS),
    ],
    ids=str,
)
def test_actions_are_drawn_by_the_networks_distribution(form, num_envs, options):
    compiled, _ = learners(form, num_envs=num_envs, n_rollout=3, **options)
    rollout = random_rollout(3, num_envs, form.obs_size, form.action, False)
    compiled.start_rollout(rollout)
    for t in range(3):
        actions = compiled.act(rollout, t).reshape(num_envs, -1)
        noise_NU = compiled._noise_TNU[t]
        with torch.no_grad():
            outputs, _ = compiled.network(rollout.obs_rows[t])
        if form.action.kind == "box":
            std = compiled.network.head.log_std.detach().exp()
            assert np.allclose(actions, outputs + std * noise_NU, atol=1e-5)
        else:
            for u, part in enumerate(outputs.split(form.action.sizes, dim=1)):
                below = part.softmax(1).cumsum(1)[:, :-1].double().numpy()
                assert np.array_equal(actions[:, u], (noise_NU[:, [u]] >= below).sum(axis=1))
        assert np.array_equal(rollout.action_rows[t].numpy().reshape(num_envs, -1), actions)
