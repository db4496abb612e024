"""A run folder as vecac left it before checkpoints held their network's spec (golden/format_1)."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import vecac.evaluate
from vecac.recording import checkpoint
from vecac.runs.saved_policy import load_policy
from vecac.train import resume

GOLDEN = Path(__file__).parent / "golden" / "format_1"


@pytest.fixture
def run_dir(tmp_path):
    return Path(shutil.copytree(GOLDEN, tmp_path / "run"))


def test_it_is_of_that_format(run_dir):
    content = checkpoint.load(run_dir / "checkpoints" / "latest.pt")
    assert content["format_version"] == 1
    assert "network_spec" not in content
    assert content["config"]["hidden_size"] == 4


@pytest.mark.parametrize("name", ["latest", "best"])
def test_its_policy_can_be_played(run_dir, name, capsys):
    saved = load_policy(run_dir, name)
    config, network, content = saved.config, saved.network, saved.content
    assert config.hidden_sizes == network.spec.hidden_sizes == (4,)
    for key, tensor in content["network"].items():
        assert torch.equal(network.state_dict()[key], tensor)
    assert vecac.evaluate.main([str(run_dir), "--episodes", "3", "--checkpoint", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["episodes"] == 3


def test_it_is_gone_on_with_and_then_of_the_present_format(run_dir):
    before = checkpoint.load(run_dir / "checkpoints" / "latest.pt")
    result = resume(run_dir, total_timesteps=before["env_steps"] + 400, quiet=True, eval_episodes=2)
    assert result.env_steps >= before["env_steps"] + 400
    after = checkpoint.load(run_dir / "checkpoints" / "latest.pt")
    assert after["format_version"] == checkpoint.FORMAT_VERSION
    assert after["network_spec"]["hidden_sizes"] == (4,)
    assert after["updates"] > before["updates"]
    assert not (run_dir / "checkpoints" / "best.damaged").exists()
