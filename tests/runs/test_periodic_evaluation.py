import csv
import json
from contextlib import closing

import numpy as np
import pytest
import torch

from vecac.config import Config
from vecac.engines.evaluation import Evaluation, evaluate, make_evaluation_environments
from vecac.errors import UsageError
from vecac.recording import checkpoint
from vecac.runs.periodic_evaluation import PeriodicEvaluation
from vecac.runs.saved_policy import load_policy
from vecac.seeding import seed_sequences
from vecac.train import resume, train

BASE = {
    "total_timesteps": 8000,
    "num_envs": 4,
    "learning_rate": 1e-3,
    "eval_episodes": 5,
    "quiet": True,
    "log_interval": 640,
}
SAME_STEP = {"autoreset_mode": "same-step"}  # 40 env steps an update
EVALUATED = {"eval_interval": 1700, "checkpoint_every": 900, "keep_checkpoints": 2}
KINDS = {
    "sync": {},
    "torch": {"learner": "torch", "autoreset_mode": "same-step"},
    "vector": {"engine": "vector"},
    "fused": {"engine": "fused"},
    "async": {"engine": "async", "num_envs": 2},
    "normalised": {"env_id": "Pendulum-v1", "norm_obs": True, "norm_reward": True, "total_timesteps": 4000},
    "global generator": {
        "env_id": "space_environments:Global-v0",
        "total_timesteps": 4000,
        "learner": "torch",
    },
}


def rows(run_dir):
    with open(run_dir / "progress.csv") as file:
        return list(csv.DictReader(file))


def parameters(run_dir, name="latest"):
    return load_policy(run_dir, name).network.state_dict()


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_it_changes_no_number_of_training(kind, tmp_path):
    plain, evaluated = (
        train(Config(**{**BASE, **KINDS[kind], **extra, "log_dir": str(tmp_path)}))
        for extra in ({}, EVALUATED)
    )
    assert_same(parameters(plain.run_dir), parameters(evaluated.run_dir))
    told = {row["time/total_timesteps"]: row for row in rows(evaluated.run_dir)}
    tags = ("rollout/ep_rew_mean", "rollout/episodes", "train/loss", "train/grad_norm", "train/n_updates")
    assert len(told) > len(rows(plain.run_dir))
    for row in rows(plain.run_dir):
        assert [row[tag] for tag in tags] == [told[row["time/total_timesteps"]][tag] for tag in tags]
    assert (plain.episodes, plain.updates) == (evaluated.episodes, evaluated.updates)
    assert plain.eval_return_mean == evaluated.eval_return_mean  # on other episodes than those while training


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    return train(
        Config(**{**BASE, **EVALUATED, **SAME_STEP, "log_dir": str(tmp_path_factory.mktemp("logs"))})
    )


def test_evaluations_are_of_the_updates_that_reach_a_multiple(evaluated):
    """1700 is reached at 1720, 3400 at 3400, 5100 at 5120, 6800 at 6800."""
    found = {
        int(row["time/total_timesteps"]): row for row in rows(evaluated.run_dir) if row["eval/mean_reward"]
    }
    assert list(found)[:-1] == [1720, 3400, 5120, 6800]
    assert list(found)[-1] == evaluated.env_steps  # with the final evaluation
    assert float(found[evaluated.env_steps]["eval/mean_reward"]) == evaluated.eval_return_mean
    assert all(row["rollout/ep_rew_mean"] and row["train/loss"] for row in found.values())


def test_the_best_is_the_best_by_evaluation(evaluated):
    means = {
        int(row["time/total_timesteps"]): float(row["eval/mean_reward"])
        for row in rows(evaluated.run_dir)[:-1]
        if row["eval/mean_reward"]
    }
    assert evaluated.best_return_mean == max(means.values())
    assert means[evaluated.best_env_steps] == evaluated.best_return_mean
    assert load_policy(evaluated.run_dir, "best").content["env_steps"] == evaluated.best_env_steps
    by_return = [float(row["rollout/ep_rew_mean"]) for row in rows(evaluated.run_dir)[-10:]]
    assert evaluated.best_return_mean not in by_return


def test_returns_in_training_do_not_choose_the_best_beside_evaluations(tmp_path, monkeypatch):
    """Evaluations of ever less, all below any return: the first is the best."""
    means = iter([-1.0, -2.0, -3.0, -4.0])

    def evaluate(*_, **__):
        return Evaluation([next(means)], [1])

    monkeypatch.setattr("vecac.runs.periodic_evaluation.evaluate", evaluate)
    result = train(Config(**{**BASE, **EVALUATED, **SAME_STEP, "log_dir": str(tmp_path)}))
    assert (result.best_env_steps, result.best_return_mean) == (1720, -1.0)


def test_kept_checkpoints_are_of_the_same_kind_of_updates(evaluated):
    kept = {path.stem for path in (evaluated.run_dir / "checkpoints").glob("[0-9]*.pt")}
    assert kept == {"7200", "6320"}  # 8100 was not reached; two stay
    content = checkpoint.load(evaluated.run_dir / "checkpoints" / "6320.pt")
    assert content["env_steps"] == 6320
    assert not torch.equal(parameters(evaluated.run_dir)["fc_pi.bias"], content["network"]["fc_pi.bias"])


def test_an_evaluation_plays_the_same_episodes_each_time(evaluated):
    """Also in another process; and by other environments than the end of the run."""
    config = load_policy(evaluated.run_dir).config
    network = load_policy(evaluated.run_dir, 6320).network
    evaluations = PeriodicEvaluation(config)
    assert evaluations.next_at() == 1700
    found = []
    for env_steps in (1720, 3400):
        assert evaluations.evaluate(network, env_steps)
        found.append(evaluations.metrics["eval/mean_reward"])
    assert found[0] == found[1]
    assert evaluations.next_at() == 5100
    with closing(make_evaluation_environments(config, 5)) as environments:
        sequence = seed_sequences(config.seed).evaluation
        at_the_end = evaluate(network, environments, 5, sampled=False, sequence=sequence)
    assert at_the_end.mean != found[0]
    assert evaluations.metrics_at(3400) == evaluations.metrics
    assert not evaluations.metrics_at(1720)
    evaluations.close()
    evaluations.close()


def interrupt(after):
    """go_on that says no once it has been asked so often."""
    asked = iter([True] * after)
    return lambda episodes, steps: next(asked, False)


@pytest.mark.parametrize("after", [0, 30, 60])
def test_a_run_that_is_stopped_while_it_evaluates_goes_on_exactly(after, evaluated, tmp_path, monkeypatch):
    class Stop:
        """As a signal that arrives in an evaluation, the one at 5120 env steps or a later one."""

        signal_number = None

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def requested(self):
            return Stop.signal_number is not None

    def evaluate(self, network, env_steps):
        if env_steps > 5000 and not Stop.signal_number:
            asked = interrupt(after)

            def go_on(episodes, steps):
                if not asked(episodes, steps):
                    Stop.signal_number = 2
                return not Stop.signal_number

            self.go_on = go_on
        return original(self, network, env_steps)

    original = PeriodicEvaluation.evaluate
    settings = {**BASE, **EVALUATED, **SAME_STEP, "log_dir": str(tmp_path)}
    with monkeypatch.context() as patched:
        patched.setattr(PeriodicEvaluation, "evaluate", evaluate)
        stopped = train(Config(**settings), stop=Stop())
    assert stopped.stop_reason == "interrupted"
    assert stopped.env_steps in (5120, 6800)
    result = resume(stopped.run_dir)
    assert_same(parameters(result.run_dir), parameters(evaluated.run_dir))
    assert_same(parameters(result.run_dir, "best"), parameters(evaluated.run_dir, "best"))
    times = ("time/fps", "time/time_elapsed", "time/collect_fraction", "time/learn_fraction")
    ours, theirs = (
        [{tag: cell for tag, cell in row.items() if tag not in times} for row in rows(run_dir)]
        for run_dir in (result.run_dir, evaluated.run_dir)
    )
    assert ours == theirs
    assert result.best_return_mean == evaluated.best_return_mean


def test_an_older_runs_checkpoint_goes_on_without_either_part(tmp_path):
    config = Config(**{**BASE, "log_dir": str(tmp_path), "total_timesteps": 2000, "eval_episodes": 0})
    run_dir = train(config).run_dir
    path = run_dir / "checkpoints" / "latest.pt"
    content = checkpoint.load(path)
    for part in ("evaluation", "kept"):
        del content["run"][part]
    checkpoint.save(path, content)
    described = json.loads((run_dir / "config.json").read_text())
    for name in EVALUATED:
        del described[name], content["config"][name]
    (run_dir / "config.json").write_text(json.dumps(described))
    assert resume(run_dir, total_timesteps=3000).env_steps >= 3000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"eval_interval": 10, "eval_episodes": 0},
            "--eval-interval 10 does nothing without",
        ),
        ({"keep": 3}, "--keep-checkpoints 3 does nothing without --checkpoint-every"),
        ({"checkpoint_every": -1}, "--checkpoint-every must be between 0"),
        ({"checkpoint_every": 5, "keep": 0}, "--keep-checkpoints must be between 1"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(UsageError, match=message):
        Config(**settings)


def test_a_run_may_not_go_on_with_other_evaluations(evaluated):
    with pytest.raises(UsageError, match="--eval-interval 5 is not what the run was started with"):
        resume(evaluated.run_dir, eval_interval=5)


def test_seconds_do_not_count_evaluations(tmp_path, monkeypatch):
    original = PeriodicEvaluation.evaluate

    def slow(self, network, env_steps):
        import time

        time.sleep(0.5)
        return original(self, network, env_steps)

    monkeypatch.setattr(PeriodicEvaluation, "evaluate", slow)
    config = Config(**{**BASE, "eval_interval": 1000, "log_dir": str(tmp_path), "engine": "vector"})
    result = train(config)
    assert np.isfinite(result.seconds)
    assert result.seconds < 8 * 0.5  # it slept as long, and evaluated besides
    last = rows(result.run_dir)[-1]
    assert float(last["time/time_elapsed"]) == pytest.approx(result.seconds, abs=0.2)


@pytest.mark.parametrize("changes", [{"eval_episodes": 9}, {"eval_max_steps": 9}])
def test_nor_with_evaluations_of_another_kind(evaluated, changes):
    with pytest.raises(UsageError, match="would make --eval-interval compare unlike evaluations"):
        resume(evaluated.run_dir, **changes)
    assert resume(evaluated.run_dir, eval_episodes=5).env_steps == evaluated.env_steps
