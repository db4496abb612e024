"""Kernels are compared with td.py when a run starts: no false alarms, and no edit of td.py goes unnoticed."""

import itertools
from types import ModuleType

import numpy as np
import pytest
import torch
from kernel_support import random_rollout
from learner_support import discrete
from support import SMALL, edit, explained, run

import vecac.train
from vecac.algorithm import td
from vecac.config import Config
from vecac.errors import UsageError
from vecac.learners import loss_check, rollout_loss
from vecac.learners.loss_check import kernels_compute_td_py

SIZES = [(4, 2, 256), (11, 1, 24), (3, 5, 24)]  # (D, A, H)
MORE_SIZES = [*SIZES, (1, 1, 3), (27, 9, 40)]
SEEDS = [*range(30), 43, 67]  # two by which the sum for a bias all but cancels
SETTINGS = [
    {},
    {"ent_coef": 0.3, "vf_coef": 0.5, "bootstrap_truncated": False},
    {"autoreset_mode": "same-step", "reward_scale": 1e-6, "ent_coef": 10.0},
    {"autoreset_mode": "disabled", "bootstrap_truncated": False, "gamma": 1.0, "vf_coef": 100.0},
    {"gamma": 0.0, "vf_coef": 0.0, "reward_scale": 1e9, "max_grad_norm": 0.01},
    {"value_loss": "mse", "vf_coef": 0.4, "optimizer": "rmsprop"},
]

MUTATIONS = [
    ({"ent_coef": 0.01}, "total - ent_coef * mean_entropy", "total + ent_coef * mean_entropy"),
    ({"vf_coef": 0.5}, "policy + vf_coef * value_error", "policy + value_error"),
    ({}, "policy + vf_coef * value_error", "policy - vf_coef * value_error"),
    ({}, "reward + gamma * next_value", "reward + gamma**2 * next_value"),
    ({}, "next_value.masked_fill(terminated, 0.0)", "next_value"),
    ({}, "else F.smooth_l1_loss(value, target)", "else F.mse_loss(value, target)"),
    ({}, "else F.smooth_l1_loss(value, target)", "else F.smooth_l1_loss(value, target, beta=0.5)"),
    ({"value_loss": "mse"}, "F.mse_loss(value, target)", "0.5 * F.mse_loss(value, target)"),
    ({}, "(log_prob * advantage).mean()", "(log_prob * advantage).sum()"),
    ({}, "-(log_prob * advantage)", "(log_prob * advantage)"),
    ({}, "target - value.detach() if", "target - value if"),
    ({}, "target = target.detach()", "target = target.detach() + 1e-3"),
    ({}, "target = target.detach()", "target = target.detach().log1p()"),  # a number where a run is
    ({}, "LossTerms(total, ", "LossTerms(total * float('nan'), "),
    ({"ent_coef": 1e-4}, "total - ent_coef * mean_entropy", "total + ent_coef * mean_entropy"),
    ({"reward_scale": 100.0}, "reward + gamma * next_value", "reward.clamp(-10, 10) + gamma * next_value"),
]


def hides_final_obs(config):
    return config.autoreset_mode != "next-step"


def check_seeds(seeds, sizes, settings):
    obs_size, num_actions, hidden_size = sizes
    config = Config(hidden_size=hidden_size, **settings)
    for seed in seeds:
        assert kernels_compute_td_py(
            config, obs_size, discrete(num_actions), hides_final_obs(config), seed
        ), seed


@pytest.mark.parametrize(("sizes", "settings"), [*itertools.product(SIZES, SETTINGS)], ids=str)
def test_there_is_no_false_alarm(sizes, settings):
    check_seeds(SEEDS, sizes, settings)


@pytest.mark.slow
@pytest.mark.parametrize(("sizes", "settings"), [*itertools.product(MORE_SIZES, SETTINGS)], ids=str)
def test_there_is_no_false_alarm_at_length(sizes, settings):
    check_seeds(range(200), sizes, settings)


def mutate(monkeypatch, old, new):
    """Have the torch learner go by td.py with one place changed."""
    with open(td.__file__) as file:
        text = file.read()
    assert text.count(old) == 1
    module = ModuleType("mutated")
    exec(compile(text.replace(old, new), "mutated.py", "exec"), module.__dict__)
    for name in ("td_targets", "actor_critic_loss"):
        monkeypatch.setattr(rollout_loss, name, getattr(module, name))


@pytest.mark.parametrize(("settings", "old", "new"), MUTATIONS)
def test_no_edit_of_td_py_goes_unnoticed(monkeypatch, settings, old, new):
    mutate(monkeypatch, old, new)
    for mode in ("next-step", "same-step"):
        config = Config(autoreset_mode=mode, **SMALL, **settings)
        hides = hides_final_obs(config)
        assert not any(kernels_compute_td_py(config, 4, discrete(2), hides, seed) for seed in range(5))


@pytest.mark.parametrize("vf_coef", [3e38, 1e-40])
def test_numbers_that_overflow_or_vanish_are_no_other_loss(vf_coef):
    assert kernels_compute_td_py(Config(vf_coef=vf_coef, **SMALL), 4, discrete(2), False)


def test_it_differentiates_where_its_caller_does_not():
    with torch.no_grad():
        assert kernels_compute_td_py(Config(**SMALL), 4, discrete(2), False)
    with torch.inference_mode():
        assert kernels_compute_td_py(Config(**SMALL), 4, discrete(2), False)


def test_a_run_by_kernels_is_not_gone_on_with_where_the_loss_was_edited(tmp_path, monkeypatch):
    run_dir = vecac.train.train(
        Config(total_timesteps=200, num_envs=2, eval_episodes=0, log_dir=str(tmp_path), quiet=True, **SMALL)
    ).run_dir
    monkeypatch.setattr("vecac.engines.capabilities.kernels_compute_td_py", lambda *_: False)
    said = "the kernels compute another loss than vecac/algorithm/td.py; use --learner torch, in a new run$"
    with pytest.raises(UsageError, match=f"^--learner compiled cannot run this: {said}"):
        vecac.train.resume(run_dir, total_timesteps=400)


def test_the_batch_has_rows_of_every_kind():
    shape = loss_check.NUM_STEPS, loss_check.NUM_ENVS, 4, discrete(2)
    for hides_final_obs in (False, True):
        rollout = random_rollout(*shape, hides_final_obs, seed=0)
        flags = (rollout.valid_TN, rollout.terminated_TN, rollout.truncated_TN)
        kinds = {(True, *ends) for ends in itertools.product([False, True], repeat=2)}
        kinds |= set() if hides_final_obs else {(False, False, False)}
        assert set(zip(*(flag.ravel().tolist() for flag in flags), strict=True)) == kinds


def test_it_draws_from_no_generator_of_others():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    kernels_compute_td_py(Config(**SMALL), 4, discrete(2), False)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


EDIT = "-(log_prob * advantage)", "(log_prob * advantage)"
WHY = "the kernels compute another loss than vecac/algorithm/td.py"
SHORT = ("--total-timesteps", "200", "--num-envs", "2", "--hidden-size", "24", "--eval-episodes", "0")


def test_whoever_edits_td_py_sees_it_in_the_next_run(package):
    edit(package / "algorithm" / "td.py", *EDIT)
    code, stdout, stderr = run("-m", "vecac.train", *SHORT)
    assert (code, stderr) == (0, "")
    assert f"--learner auto: torch, since {WHY}" in stdout.splitlines()
    assert "learning on cpu (torch)" in stdout


def test_what_can_only_learn_by_kernels_refuses_to_learn_by_another_loss(monkeypatch, elsewhere, capsys):
    mutate(monkeypatch, *EDIT)
    assert vecac.train.main([*SHORT, "--engine", "auto"]) == 0
    assert f"fused is out: {WHY}" in capsys.readouterr().out
    for asked, remedy in (("--learner compiled", "--learner torch"), ("--engine fused", "--engine auto")):
        message = explained(vecac.train.main([*SHORT, *asked.split()]), *capsys.readouterr())
        assert message.startswith(f"{asked} cannot run this: {WHY}; use {remedy}")
