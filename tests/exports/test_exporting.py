import io
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

import vecac
from vecac.config import Config
from vecac.errors import RunFault
from vecac.export import main
from vecac.exports import exporting, formats
from vecac.exports.exporting import compare, draw_observations, export
from vecac.exports.playable import PlayablePolicy
from vecac.recording import checkpoint
from vecac.runs.saved_policy import load_policy
from vecac.train import train

CASES = {
    "CartPole-v1": {"hidden_sizes": (24,)},
    "Pendulum-v1": {"norm_obs": True, "norm_reward": True, "hidden_sizes": (9, 8), "activation": "tanh"},
    "space_environments:Sensors-v0": {"norm_obs": True, "clip_obs": 1.5, "separate_critic": True},
    "space_environments:Switches-v0": {"activation": "silu"},
    "space_environments:Lever-v0": {"activation": "elu", "log_std_init": -1.0, "separate_critic": True},
    "space_environments:Match-v0": {"env_kwargs": {"kind": "discrete"}},
}
FEW = list(CASES)[:3]
EVERY = [(case, ".npz") for case in CASES] + [(case, suffix) for case in FEW for suffix in (".onnx", ".pt2")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a case's run, made once, whose policy takes all kinds of actions."""
    made = {}

    def trained(case):
        if case not in made:
            folder = str(tmp_path_factory.mktemp("logs"))
            base = {
                "total_timesteps": 300,
                "num_envs": 4,
                "eval_episodes": 0,
                "hidden_sizes": (24,),
                "learner": "torch",
            }
            settings = {**base, **CASES[case], "env_id": case, "log_dir": folder, "quiet": True}
            made[case] = train(Config(**settings)).run_dir
            path = made[case] / "checkpoints" / "latest.pt"
            content, draw = checkpoint.load(path), torch.Generator().manual_seed(3)
            for name in ("fc_pi.weight", "fc_v.weight"):
                weight = content["network"][name]
                weight.copy_(0.3 * torch.randn(weight.shape, generator=draw))
            checkpoint.save(path, content)
        return made[case]

    return trained


@pytest.mark.parametrize(("case", "suffix"), EVERY)
def test_a_file_does_what_the_policy_does(trained, tmp_path, case, suffix):
    saved, path = load_policy(trained(case)), tmp_path / f"policy{suffix}"
    exported = export(saved, path)
    assert exported.difference < 1e-5
    obs = draw_observations(saved.network, 10_000)
    found = formats.FORMATS[suffix].play(path.read_bytes())(obs)
    assert list(found) == list(exported.outputs)
    with torch.no_grad():
        outputs, value = saved.network(torch.from_numpy(obs))
    is_box = saved.network.spec.action.kind == "box"
    for name, ours in (("mean" if is_box else "logits", outputs), ("value", value)):
        largest = max(1.0, float(ours.abs().max()))
        np.testing.assert_allclose(found[name], ours.numpy(), rtol=0, atol=1e-5 * largest)
    rows = np.unique(np.asarray(found["action"]).reshape(len(obs), -1), axis=0)
    assert len(rows) > 1
    space = PlayablePolicy(saved)
    actions = space.action(outputs).numpy()
    assert (actions != found["action"]).reshape(len(obs), -1).any(axis=1).mean() < (1.0 if is_box else 1e-3)
    np.testing.assert_allclose(found["action"][:100], actions[:100], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("suffix", [".npz", ".onnx", ".pt2"])
def test_its_actions_are_those_of_vecac_load(trained, tmp_path, suffix):
    """On observations as Gymnasium shows and flattens them."""
    run_dir = trained("space_environments:Sensors-v0")
    export(load_policy(run_dir), tmp_path / f"policy{suffix}")
    play = formats.FORMATS[suffix].play((tmp_path / f"policy{suffix}").read_bytes())
    env, policy = gym.make("space_environments:Sensors-v0"), vecac.load(run_dir)
    env.observation_space.seed(1)
    for _ in range(20):
        obs = env.observation_space.sample()
        row = gym.spaces.flatten(env.observation_space, obs).astype(np.float32)
        (expected,) = policy(obs)
        assert np.array_equal(play(row[None])["action"][0], expected)
        assert env.action_space.contains(expected)


def test_numpy_needs_nothing_of_ours(trained, tmp_path):
    """The source alone plays the file, in a process that cannot import vecac or torch."""
    saved = load_policy(trained("Pendulum-v1"))
    export(saved, tmp_path / "policy.npz")
    source = Path(vecac.__file__).with_name("exports") / "numpy_policy.py"
    (tmp_path / "alone.py").write_text(source.read_text())
    obs = draw_observations(saved.network, 5)
    np.save(tmp_path / "obs.npy", obs)
    code = (
        "import sys, numpy as np; sys.modules |= {'vecac': None, 'torch': None}; sys.path.insert(0, '.');"
        "import alone; np.save('action.npy', alone.act(np.load('policy.npz'), np.load('obs.npy')))"
    )
    subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, check=True)
    expected = PlayablePolicy(saved)(torch.from_numpy(obs))["action"].detach().numpy()
    np.testing.assert_allclose(np.load(tmp_path / "action.npy"), expected, rtol=1e-5)


def test_onnx_names_what_it_takes_and_gives(trained, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    export(load_policy(trained("Pendulum-v1")), tmp_path / "policy.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "policy.onnx")
    (taken,) = session.get_inputs()
    assert (taken.name, taken.shape[1:], taken.type) == ("obs", [3], "tensor(float)")
    assert [given.name for given in session.get_outputs()] == ["action", "mean", "std", "value"]
    for count in (1, 7):
        action, mean, std, value = session.run(None, {"obs": np.zeros((count, 3), np.float32)})
        assert (action.shape, mean.shape, std.shape, value.shape) == ((count, 1), (count, 1), (1,), (count,))


@pytest.mark.parametrize("part", ["action", "logits", "value"])
def test_a_difference_is_noticed(trained, part):
    saved = load_policy(trained("CartPole-v1"))
    policy, obs = PlayablePolicy(saved), draw_observations(saved.network, 100)
    found = {name: array.detach().numpy().copy() for name, array in policy(torch.from_numpy(obs)).items()}
    assert compare(policy, found, obs) == 0
    found[part][3] += 1e-3 if part != "action" else 1
    assert compare(policy, found, obs) > exporting.TOLERANCE
    assert compare(policy, {**found, "value": found["value"][:, None]}, obs) == float("inf")


def test_what_differs_is_not_written(trained, tmp_path, monkeypatch):
    def write(policy):
        buffer = io.BytesIO(kept.write(policy))
        arrays = dict(np.load(buffer))
        arrays["value_bias"] = arrays["value_bias"] + 0.01
        np.savez(wrong := io.BytesIO(), **arrays)
        return wrong.getvalue()

    kept = formats.FORMATS[".npz"]
    monkeypatch.setitem(formats.FORMATS, ".npz", kept._replace(write=write))
    with pytest.raises(RunFault, match=r"would differ from the policy by .*: it is not written"):
        export(load_policy(trained("CartPole-v1")), tmp_path / "policy.npz")
    assert not list(tmp_path.iterdir())


def test_observations_are_drawn_around_what_was_seen(trained):
    network = load_policy(trained("Pendulum-v1")).network
    network.obs_norm.mean.fill_(100.0)
    network.obs_norm.var.fill_(4.0)
    rows = draw_observations(network, 10_000)
    assert rows.dtype == np.float32
    assert rows.mean() == pytest.approx(100, abs=0.3)
    assert rows.std() == pytest.approx(6, rel=0.05)


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("policy.tflite", "--to policy.tflite: the file's name must end in .onnx, .npz, .pt2"),
        ("policy", "--to policy: the file's name must end in .onnx, .npz, .pt2"),
        ("no/policy.npz", "--to no/policy.npz: no is no folder; name a file in a folder that there is"),
        ("folder.npz", "--to folder.npz: is a folder; name a file in a folder that there is"),
    ],
)
def test_a_file_that_cannot_be(trained, elsewhere, capsys, to, message):
    (elsewhere / "folder.npz").mkdir()
    run_dir = trained("CartPole-v1")
    assert main([str(run_dir), "--to", to]) == 2
    assert capsys.readouterr() == ("", f"error: {message}\n")
    assert [path.name for path in elsewhere.iterdir()] == ["folder.npz"]


def test_a_missing_extra_is_named(trained, elsewhere, capsys, monkeypatch):
    monkeypatch.setattr("vecac.extras.find_spec", lambda name: None if name == "onnxscript" else "there")
    assert main([str(trained("CartPole-v1")), "--to", "policy.onnx"]) == 2
    expected = "error: onnxscript is not installed: pip install -c constraints.txt -e '.[export]'\n"
    assert capsys.readouterr() == ("", expected)
    assert main([str(trained("CartPole-v1")), "--to", "policy.npz"]) == 0
    assert capsys.readouterr().out.startswith("policy.npz: CartPole-v1, latest parameters after 3")


def test_a_disk_that_is_full(trained, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    path = tmp_path / "policy.npz"
    assert main([str(trained("CartPole-v1")), "--to", str(path)]) == 2
    error = f"error: --to {path} cannot be written: No space left on device; name another file\n"
    assert capsys.readouterr() == ("", error)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_by_its_name(trained, elsewhere, capsys):
    assert main([str(trained("CartPole-v1")), "--to", "policy.npz", "--checkpoint", "77"]) == 2
    assert "has no checkpoint 77: use latest\n" in capsys.readouterr().err
    assert not list(elsewhere.iterdir())
