import csv

import pytest
import torch

from vecac.config import Config
from vecac.errors import UsageError
from vecac.recording import checkpoint
from vecac.runs.saved_policy import load_policy
from vecac.study import study
from vecac.train import resume, train

BASE = {"num_envs": 4, "total_timesteps": 2000, "eval_episodes": 0, "quiet": True, "learning_rate": 1e-3}
MADE = {
    "CartPole-v1": {"hidden_sizes": (24,)},
    "Pendulum-v1": {"norm_obs": True, "norm_reward": True, "hidden_sizes": (8, 8), "learner": "torch"},
}


@pytest.fixture(scope="module", params=MADE)
def made(request, tmp_path_factory):
    return train_in(tmp_path_factory.mktemp("logs"), env_id=request.param, **MADE[request.param])


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory):
    return train_in(tmp_path_factory.mktemp("logs"), **MADE["CartPole-v1"])


def train_in(folder, **settings):
    return train(Config(**{**BASE, "log_dir": str(folder), **settings}))


def content(run, name="latest"):
    return checkpoint.load(run.run_dir / "checkpoints" / f"{name}.pt")


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def begun(made, tmp_path, **settings):
    """A run that begins with the policy and is over before its first update: what it began with."""
    path = str(made.run_dir / "checkpoints" / "latest.pt")
    defaults = {"env_id": made.env_id, "total_timesteps": 1, "learning_rate": 1e-20, "init_from": path}
    return train_in(tmp_path, **{**defaults, **settings})


def test_it_begins_with_the_network_and_what_it_normalises_by(made, tmp_path):
    saved, new = content(made), content(begun(made, tmp_path))
    assert new["network_spec"] == saved["network_spec"]
    for name, tensor in saved["network"].items():
        if "norm" not in name and "return" not in name:  # which the one rollout was merged into
            torch.testing.assert_close(new["network"][name], tensor, rtol=0, atol=1e-12)
    counts = [(c["network"].get("obs_norm.count"), c["env_steps"]) for c in (saved, new)]
    if counts[0][0] is not None:
        assert counts[1][0] == counts[0][0] + counts[1][1]
    assert (new["updates"], new["config"]["learning_rate"]) == (1, 1e-20)


@pytest.mark.parametrize("engine", [{"learner": "torch"}, {"learner": "compiled"}, {"engine": "fused"}])
def test_whoever_learns_goes_on_with_the_moments(cartpole, tmp_path, engine):
    """Adam's step is of the size of the rate at most; without its moments the first is of that size."""
    saved = content(cartpole)
    moved = {}
    for with_moments in (False, True):
        run = begun(cartpole, tmp_path, learning_rate=1e-3, init_optimizer=with_moments, **engine)
        new = content(run)
        moved[with_moments] = float((new["network"]["fc_v.bias"] - saved["network"]["fc_v.bias"]).abs())
        step = new["optimizer"]["state"][0]["step"]
        assert step == 1 + with_moments * saved["updates"]
        assert run.updates == step
    assert moved[False] == pytest.approx(1e-3, rel=1e-3)
    assert 0 < moved[True] < 0.9e-3


def test_both_learners_make_the_same_first_step(cartpole, tmp_path):
    ours = [
        content(begun(cartpole, tmp_path, learning_rate=1e-3, init_optimizer=True, learner=learner))[
            "network"
        ]
        for learner in ("torch", "compiled")
    ]
    # They draw other actions, so the gradients differ: but each by little beside the moments.
    for name, tensor in ours[0].items():
        torch.testing.assert_close(tensor, ours[1][name], rtol=0, atol=5e-4)


def test_without_it_the_seed_says_what_a_run_begins_with(cartpole, tmp_path):
    seeds = [content(begun(cartpole, tmp_path, init_from=None, seed=s, hidden_sizes=(24,))) for s in (1, 2)]
    assert not torch.equal(seeds[0]["network"]["fc1.weight"], seeds[1]["network"]["fc1.weight"])
    saved = content(cartpole)["network"]["fc1.weight"]
    assert not torch.allclose(seeds[0]["network"]["fc1.weight"], saved, atol=1e-6)


def test_it_may_be_another_environment_of_the_same_sizes(tmp_path):
    first = train_in(tmp_path, env_id="MountainCar-v0", total_timesteps=400, learner="torch")
    renamed = {
        "env_kwargs": {"goal_velocity": 0.01},
        "max_episode_steps": 50,
        "gamma": 0.9,
        "learner": "torch",
    }
    assert begun(first, tmp_path, **renamed).updates == 1


def test_a_run_goes_on_though_the_first_policy_has_gone(cartpole, tmp_path):
    path = tmp_path / "copy.pt"
    path.write_bytes((cartpole.run_dir / "checkpoints" / "latest.pt").read_bytes())
    whole = begun(cartpole, tmp_path, total_timesteps=2000, learning_rate=1e-3)
    part = begun(cartpole, tmp_path, total_timesteps=1000, learning_rate=1e-3, init_from=str(path))
    path.unlink()
    resumed = resume(part.run_dir, total_timesteps=2000)
    assert_same(content(resumed)["network"], content(whole)["network"])
    assert load_policy(resumed.run_dir).config.init_from == str(path)


def test_a_run_folder_stands_for_its_best_policy(cartpole, tmp_path):
    path, saved = cartpole.run_dir / "checkpoints" / "best.pt", content(cartpole)
    best = saved["network"]["fc1.weight"].add_(1)
    checkpoint.save(path, saved)
    new = content(begun(cartpole, tmp_path, init_from=str(cartpole.run_dir)))
    path.unlink()
    torch.testing.assert_close(new["network"]["fc1.weight"], best, rtol=0, atol=1e-6)


def test_it_says_what_it_begins_with(cartpole, tmp_path, capfd):
    begun(cartpole, tmp_path, quiet=False)
    path = cartpole.run_dir / "checkpoints" / "latest.pt"
    line = f"begins with the policy of {path}: CartPole-v1, {cartpole.env_steps:,} env steps\n"
    assert line in capfd.readouterr().out


def test_a_study_begins_each_run_with_it(cartpole, tmp_path):
    """At a rate of next to nothing every run stays what it began with, and so evaluates alike."""
    path = str(cartpole.run_dir / "checkpoints" / "latest.pt")
    config = Config(
        init_from=path, total_timesteps=200, num_envs=4, learning_rate=1e-20, eval_episodes=20,
        quiet=True, log_dir=str(tmp_path), engine="vector", learner="torch",
    )  # fmt: skip
    alone = train(config)
    result = study(config, seeds=2, workers=1)
    (row, _) = csv.DictReader((result.path / "runs.csv").read_text().splitlines())
    assert float(row["eval_return_mean"]) == pytest.approx(alone.eval_return_mean)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"init_from": "nowhere"}, r"^nowhere is not a run folder \("),
        ({"hidden_sizes": (7,)}, r"^--hidden-sizes 7 is not what the network of --init-from .* has "),
        ({"norm_obs": True}, r"^--norm-obs is not what .* has \(--no-norm-obs\): leave it out$"),
        ({"env_id": "Acrobot-v1"}, r"has 4 numbers an observation and discrete actions of 2, Acr"),
        (
            {"init_optimizer": True, "optimizer": "rmsprop"},
            r"^--init-optimizer: .* was trained by adam; add --optimizer adam, or leave",
        ),
        ({"init_from": None, "init_optimizer": True}, r"^--init-optimizer does nothing without --init-from"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_leaves_nothing(cartpole, tmp_path, settings, message):
    with pytest.raises(UsageError, match=message):
        begun(cartpole, tmp_path, **settings)
    assert not list(tmp_path.iterdir())
