"""On a real GPU, where there is one; what holds without is in test_second_device.py."""

import os
import subprocess
import sys

import pytest
import torch
from learner_support import MODES, collect, counting_config, make_learner
from support import read_csv

from vecac.algorithm.schedule import Rates
from vecac.config import Config
from vecac.recording import checkpoint
from vecac.train import main, resume, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

UPDATES = 200
SETTINGS = {"num_envs": 4, "total_timesteps": UPDATES * 40, "eval_episodes": 4, "device": "cuda"}


def latest(result):
    return result.run_dir / "checkpoints" / "latest.pt"


@pytest.mark.parametrize("mode", MODES)
def test_it_trains_in_every_mode(mode, tmp_path):
    result = train(Config(**SETTINGS, autoreset_mode=mode, log_dir=str(tmp_path), quiet=True))
    assert (result.stop_reason, result.device, result.learner) == ("finished", "cuda", "torch")
    assert result.updates >= UPDATES
    assert result.eval_episodes == 4
    assert len(read_csv(result.run_dir)) == 200
    assert all(
        bool(weights.isfinite().all()) for weights in checkpoint.load(latest(result))["network"].values()
    )


def test_a_run_goes_on_on_the_cpu_and_back(tmp_path, capsys):
    result = train(Config(**SETTINGS, log_dir=str(tmp_path)))
    for times, device in ((2, "cpu"), (3, "cuda")):
        capsys.readouterr()
        total = times * SETTINGS["total_timesteps"]
        result = resume(result.run_dir, total_timesteps=total, device=device)
        assert (result.stop_reason, result.device) == ("finished", device)
        assert f"on {device} its policy goes on with other random numbers" in capsys.readouterr().out
        assert checkpoint.load(latest(result))["updates"] == result.updates >= times * UPDATES
    resume(result.run_dir, total_timesteps=4 * SETTINGS["total_timesteps"])
    assert "other random numbers" not in capsys.readouterr().out  # on CUDA as before


def test_torch_alone_reads_its_checkpoints_where_there_is_no_gpu(tmp_path):
    result = train(Config(**SETTINGS, log_dir=str(tmp_path), quiet=True))
    code = (
        "import sys, torch; assert not torch.cuda.is_available();"
        "content = torch.load(sys.argv[1], weights_only=True);"
        "print(content['updates'], *{str(tensor.device) for tensor in content['network'].values()})"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, str(latest(result))],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.stdout, finished.stderr) == (f"{result.updates} cpu\n", "")


def test_a_gpu_that_does_not_exist_is_one_line(tmp_path, capsys):
    device = f"cuda:{max(7, torch.cuda.device_count())}"
    assert main(["--device", device, "--log-dir", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --device {device} does not exist: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("td_lambda", [0.0, 0.7])
@pytest.mark.parametrize("mode", MODES)
def test_an_update_waits_for_nothing(mode, td_lambda):
    config = counting_config(autoreset_mode=mode, td_lambda=td_lambda, max_grad_norm=1.0)
    learner = make_learner(config, device=torch.device("cuda"))
    rollout, _ = collect(config, learner)
    learner.update(rollout, Rates(1e-3, 0.0))  # the first one loads kernels
    torch.cuda.set_sync_debug_mode("error")
    try:
        rollout.finish()
        assert learner.update(rollout, Rates(1e-3, 0.0)) is not None
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_making_a_network_leaves_the_gpus_generators_as_they_were():
    torch.cuda.init()
    before = torch.cuda.get_rng_state_all()
    make_learner(Config(seed=1))
    assert all(map(torch.equal, torch.cuda.get_rng_state_all(), before))
