"""The command; what it writes is in tests/exports."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import run

import vecac
from vecac.config import Config
from vecac.export import main
from vecac.train import train


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    settings = {"total_timesteps": 200, "num_envs": 2, "eval_episodes": 0, "quiet": True}
    return train(Config(**settings, log_dir=str(tmp_path_factory.mktemp("logs")))).run_dir


def test_it_says_what_it_wrote(run_dir, tmp_path):
    to = tmp_path / "policy.npz"
    code, stdout, stderr = run("-m", "vecac.export", run_dir, "--to", to)
    assert (code, stderr) == (0, "")
    steps = json.loads((run_dir / "result.json").read_text())["env_steps"]
    assert stdout.startswith(
        f"{to}: CartPole-v1, latest parameters after {steps} env steps; obs (batch, 4) float32 -> action, "
        "logits, value; differs from the policy by "
    )
    assert stdout.endswith(" at most, on 10,000 observations\n")


def test_a_checkpoints_file_will_do(run_dir, tmp_path, capsys):
    path = run_dir / "checkpoints" / "latest.pt"
    assert main([str(path), "--to", str(tmp_path / "policy.npz")]) == 0
    assert "latest parameters" in capsys.readouterr().out


def test_help_loads_no_torch():
    code = (
        "import sys, vecac.export as e\ntry: e.main(['-h'])\nexcept SystemExit: print('torch' in sys.modules)"
    )
    assert run("-c", code)[1].endswith("\nFalse\n")


PAGE = Path(__file__).parents[1] / "docs/after-training.md"


def code_that_plays(folder):
    """The page's block of NumPy, run where policy.npz lies, in a process without vecac or torch."""
    (code,) = re.findall(r"```python\n(import numpy.*?)```", PAGE.read_text(), re.DOTALL)
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 10
    alone = "import sys; sys.modules |= {'vecac': None, 'torch': None}\n"
    save = "\nnp.save('action.npy', act(np.load('obs.npy')))"
    subprocess.run([sys.executable, "-I", "-c", alone + code + save], cwd=folder, check=True)
    return np.load(folder / "action.npy")


def test_the_lines_of_numpy_on_the_page_play_it(run_dir, tmp_path):
    assert main([str(run_dir), "--to", str(tmp_path / "policy.npz")]) == 0
    obs = np.random.default_rng(1).normal(size=(500, 4)).astype(np.float32)
    np.save(tmp_path / "obs.npy", obs)
    actions = vecac.load(run_dir)(obs)
    assert set(actions) == {0, 1}
    assert (code_that_plays(tmp_path) == actions).mean() > 0.995  # rounding may decide where both are as good


def test_the_two_lines_on_the_page_load_a_policy(run_dir):
    (code,) = re.findall(r"```python\n(import vecac.*?)```", PAGE.read_text(), re.DOTALL)
    found = {"obs": np.zeros(4, np.float32)}
    exec(code.replace("logs/<run>", str(run_dir)), found)
    assert found["action"] in (0, 1)
