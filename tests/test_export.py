"""The command; what it writes is in tests/exports."""

import json

import pytest
from support import run

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
