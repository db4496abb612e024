"""Runs are objects that own no process: any number live in one, on any threads."""

import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from vecac.config import Config
from vecac.errors import UsageError
from vecac.recording import checkpoint
from vecac.runs.building import build_run, plan_run
from vecac.runs.folder_lock import locked

CASES = [
    {"engine": engine, "learner": learner, "seed": seed}
    for seed in (1, 2)
    for engine, learner in (
        ("sync", "torch"),
        ("sync", "compiled"),
        ("vector", "compiled"),
        ("fused", "compiled"),
    )
]


def trained(settings, log_dir):
    """The bits that a run ends with, driven by hand."""
    config = Config(**settings, total_timesteps=6000, num_envs=4, log_dir=str(log_dir), num_threads=1)
    run, notes = build_run(plan_run(config), None, pytest.fail)
    assert notes == []
    run.start(is_new=True)
    while run.stop_reason() is None:
        run.record(run.engine.iterate(*run.until_due()))
        run.save_if_due()
    run.stop()
    result = run.finish(run.stop_reason())
    run.close()
    content = checkpoint.load(result.run_dir / "checkpoints" / "latest.pt")
    weights = [tensor.numpy().tobytes() for tensor in content["network"].values()]
    return weights, content["optimizer"], result.episodes, result.last_100_return_mean


def alike(one, other):
    moments = (tree["state"] for tree in (one[1], other[1]))
    pairs = [zip(a.values(), b.values(), strict=True) for a, b in [tuple(moments)]]
    same = all(torch.equal(x[name], y[name]) for pair in pairs for x, y in pair for name in x)
    return same and (one[0], *one[2:]) == (other[0], *other[2:])


def test_eight_runs_on_two_threads_give_the_bits_that_each_gives_alone(tmp_path):
    alone = [trained(settings, tmp_path / "alone") for settings in CASES]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda settings: trained(settings, tmp_path / "together"), CASES))
    for settings, one, other in zip(CASES, alone, together, strict=True):
        assert alike(one, other), settings
    assert not alike(alone[0], alone[4])


def test_a_run_changes_nothing_of_its_process(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise AssertionError("a run owns no process")

    monkeypatch.setattr(signal, "signal", refuse)
    monkeypatch.setattr(torch, "set_num_threads", refuse)
    before = torch.get_rng_state(), {*threading.enumerate()}
    for settings in CASES[:4]:
        trained(settings, tmp_path)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert {*threading.enumerate()} <= before[1]
    assert capsys.readouterr() == ("", "")


def test_a_run_holds_its_folder_until_it_is_closed(tmp_path):
    run, _ = build_run(plan_run(Config(**CASES[0], log_dir=str(tmp_path))), None, pytest.fail)
    with pytest.raises(UsageError, match="still running"), locked(run.run_dir):
        pass
    run.close()
    with locked(run.run_dir):
        pass


def test_too_few_updates_are_told():
    settings = {"engine": "fused", "gamma": 0.97}
    assert plan_run(Config(**settings, total_timesteps=1600 * 50)).choices == []
    (line,) = plan_run(Config(**settings, total_timesteps=160 * 499)).choices
    assert line.startswith("only 499 updates fit into 79,840 env steps, too few to learn much")
    (line,) = plan_run(Config(**settings, total_timesteps=160)).choices
    assert line.startswith("only 1 update fits into 160 env steps")


def test_settings_that_were_tried_are_told_of_where_none_were_chosen():
    (line,) = plan_run(Config(engine="fused")).choices
    assert line == "--settings CartPole-v1 has settings that were tried for this environment"


def test_the_threads_in_use_are_told_not_those_that_were_allowed(tmp_path):
    settings = {"engine": "fused", "num_threads": 2, "log_dir": str(tmp_path)}
    for num_envs, used in ((16, 1), (256, 2)):
        run, _ = build_run(plan_run(Config(num_envs=num_envs, **settings)), None, warn=pytest.fail)
        run.close()
        assert run.config.num_threads == used
        assert json.loads((run.run_dir / "config.json").read_text())["num_threads"] == used
