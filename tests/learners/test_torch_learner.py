"""The update: which rows it learns from, what it bootstraps from, and that every variant agrees."""

import math

import numpy as np
import pytest
import torch
from golden_updates import GOLDEN, ROWS, assert_close, golden_batches, golden_network
from learner_support import (
    CPU,
    MODES,
    N,
    T,
    collect,
    counting_config,
    discrete,
    learners_gradient,
    make_learner,
)

import vecac.learners.torch_learner as learner_module
from vecac.algorithm.rollout import Rollout
from vecac.algorithm.schedule import Rates
from vecac.config import Config
from vecac.transition import Transition


def all_rows(report, name):
    """Of all blocks, in order."""
    return torch.cat([getattr(block, name) for block in report.blocks])


def test_five_updates_from_the_buffer_give_the_notebooks_losses():
    """The golden rows are one chain s_0, s_1, ...: an environment of its own, ten steps a rollout."""
    settings = GOLDEN["settings"]
    config = Config(num_envs=1, n_rollout=ROWS, learning_rate=settings["learning_rate"])
    learner = make_learner(config, obs_size=4)
    learner.network.load_state_dict(golden_network().state_dict())
    rollout = Rollout(ROWS, 1, 4, discrete(2), hides_final_obs=False, device=CPU)
    never = np.zeros(1, bool)
    for batch, expected in zip(golden_batches(), GOLDEN["updates"], strict=True):
        rollout.start(batch.obs[:1].numpy())
        for t in range(ROWS):
            rows = (array[t : t + 1].numpy() for array in (batch.obs, batch.reward, batch.terminated))
            next_obs = batch.next_obs[t : t + 1].numpy()
            rollout.insert(t, Transition(*rows, never, next_obs, ~never), next_obs)
        rollout.finish()
        rollout.tensors.action_TN[:, 0] = batch.action
        report = learner.update(rollout, Rates(config.learning_rate, 0.0))
        assert_close(report.terms.total, expected["loss"])
        assert_close(all_rows(report, "target_B"), expected["td_target"])


@pytest.mark.parametrize("mode", MODES)
def test_blocks_and_staging_change_nothing(mode, monkeypatch):
    config = counting_config(autoreset_mode=mode, td_lambda=0.7)
    reports = []
    for block_rows, staged in ((10_000, False), (2 * (T + 1), False), (10_000, True)):
        for module in (learner_module, learner_module):
            monkeypatch.setattr(module, "CPU_BLOCK_ROWS", block_rows)
        learner = make_learner(config)
        rollout, _ = collect(config, learner, staged)
        report, gradient = learners_gradient(learner, rollout)
        reports.append((report.read(), gradient))
    for read, gradient in reports[1:]:
        assert read == pytest.approx(reports[0][0], rel=1e-5)
        for name, array in gradient.items():
            assert_close(array, reports[0][1][name])


def test_an_update_with_no_valid_row_changes_nothing():
    config = counting_config()
    learner = make_learner(config)
    rollout, _ = collect(config, learner)
    learner.update(rollout, Rates(0.01, 0.0))
    before = [parameter.clone() for parameter in learner.network.parameters()]
    rollout.valid_TN[:] = False
    assert learner.update(rollout, Rates(0.01, 0.0)) is None
    assert all(torch.equal(a, b) for a, b in zip(before, learner.network.parameters(), strict=True))


def test_td_lambda_reaches_the_targets():
    config = counting_config(td_lambda=1.0, gamma=1.0, reward_scale=1.0)
    learner = make_learner(config)
    rollout, transitions = collect(config, learner)
    report, _ = learners_gradient(learner, rollout)
    # The first valid row's rewards up to its episode's end, which terminates or is bootstrapped.
    own = transitions[next(n for n in range(N) if transitions[n]["valid"]) :: N]
    ends = next(t for t, row in enumerate(own) if row["terminated"] or row["truncated"])
    total = sum(float(row["reward"]) for row in own[: ends + 1])
    if not own[ends]["terminated"]:
        total += learner.network(torch.from_numpy(own[ends]["next_obs"]))[1].item()
    assert all_rows(report, "target_B")[0].item() == pytest.approx(total, rel=1e-5)


def test_clipping_scales_the_gradient_to_the_norm_and_reports_the_norm_before():
    config = counting_config()
    learner = make_learner(config)
    rollout, _ = collect(config, learner)
    report, free = learners_gradient(learner, rollout)
    norm = math.sqrt(sum(array.double().square().sum().item() for array in free.values()))
    assert report.grad_norm.item() == pytest.approx(norm, rel=1e-5)
    clipping = make_learner(counting_config(max_grad_norm=norm / 4))
    report, clipped = learners_gradient(clipping, rollout)
    assert report.grad_norm.item() == pytest.approx(norm, rel=1e-5)
    for name, array in clipped.items():
        assert_close(array, free[name] / 4)


def test_read_gives_the_train_metrics():
    config = counting_config(ent_coef=0.1, vf_coef=0.5)
    learner = make_learner(config)
    rollout, _ = collect(config, learner)
    report = learner.update(rollout, Rates(0.003, 0.1))
    read = report.read()
    assert read["train/learning_rate"] == 0.003
    terms = read["train/policy_loss"] + 0.5 * read["train/value_loss"] - 0.1 * read["train/entropy"]
    assert read["train/loss"] == pytest.approx(terms, rel=1e-5)
    residual, target = (
        (all_rows(report, "target_B") - all_rows(report, "value_B")).numpy(),
        all_rows(report, "target_B").numpy(),
    )
    assert read["train/explained_variance"] == pytest.approx(1 - residual.var() / target.var(), rel=1e-4)


def test_constant_targets_leave_the_explained_variance_undefined():
    learner = make_learner(counting_config(gamma=0.0))
    rollout, _ = collect(counting_config(), learner)
    rollout.reward_TN[:] = 1.0
    assert math.isnan(learner.update(rollout, Rates(0.003, 0.0)).read()["train/explained_variance"])


def test_acting_follows_the_policy_and_its_own_seed():
    config = Config(num_envs=2000, n_rollout=1, seed=3)
    rollout = Rollout(1, 2000, 4, discrete(2), hides_final_obs=False, device=CPU)
    drawn = []
    for seed in (3, 3, 4):
        learner = make_learner(Config(num_envs=2000, n_rollout=1, seed=seed), obs_size=4)
        learner.network.load_state_dict(make_learner(config, obs_size=4).network.state_dict())
        with torch.no_grad():
            learner.network.fc_pi.weight.zero_()
            learner.network.fc_pi.bias.copy_(torch.tensor([0.0, math.log(3.0)]))
        learner.start_rollout(rollout)
        drawn.append(learner.act(rollout, 0).copy())
    assert drawn[0].mean() == pytest.approx(0.75, abs=0.04)
    assert (drawn[0] == drawn[1]).all()
    assert (drawn[0] != drawn[2]).any()
    assert torch.equal(rollout.tensors.action_TN[0], torch.from_numpy(drawn[2]))


def test_initial_parameters_depend_on_the_seed_alone():
    torch.manual_seed(0)
    first = make_learner(Config(seed=1)).network.state_dict()
    torch.manual_seed(99)
    again, other = make_learner(Config(seed=1)), make_learner(Config(seed=2))
    assert all(torch.equal(first[name], array) for name, array in again.network.state_dict().items())
    assert not torch.equal(first["fc1.weight"], other.network.state_dict()["fc1.weight"])


def test_making_a_network_leaves_every_generator_of_torch_as_it_was(monkeypatch):
    reseeded = []
    for kind in (torch.cuda, torch.xpu, torch.mps):
        for name in ("manual_seed", "manual_seed_all"):
            monkeypatch.setattr(kind, name, reseeded.append, raising=False)
    before, is_initialized = torch.get_rng_state(), torch.cuda.is_initialized()
    make_learner(Config(seed=1))
    assert reseeded == []
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.cuda.is_initialized() == is_initialized
