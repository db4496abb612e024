"""What docs/reliability.md promises bit for bit and no other test holds: across processes and engines."""

import json
import os

import pytest
from support import run

CASES = {
    f"{engine}, {learner}": {"engine": engine, "learner": learner}
    for engine, learner in [
        ("sync", "torch"),
        ("sync", "compiled"),
        ("async", "torch"),
        ("async", "compiled"),
        ("vector", "torch"),
        ("vector", "compiled"),
        ("fused", "compiled"),
    ]
}
COMPILED = {
    "compiled": {"env_id": "kernel_support:Line-v0", "hidden_size": 100},
    "compiled, entropy": {"env_id": "kernel_support:Line-v0", "hidden_size": 100, "ent_coef": 0.01},
}
"""Kernels of one size, which call each other's functions; test_kill.py has those of the fused engine."""

MORE_COMPILED = {
    f"{env_id}, {size}, {ent_coef}": {"env_id": env_id, "hidden_size": size, "ent_coef": ent_coef, **more}
    for env_id, more in [
        ("CartPole-v1", {"engine": "fused"}),
        ("MountainCar-v0", {"engine": "fused", "num_threads": 2}),
        ("kernel_support:Line-v0", {"autoreset_mode": "same-step"}),
        ("kernel_support:Line-v0", {"engine": "async"}),
    ]
    for size, ent_coef in [(1, 0.1), (7, 0.0), (64, 0.01), (100, 0.0), (256, 0.01)]
}

PROGRAM = """
import hashlib, json, sys
from vecac.config import Config
from vecac.recording import checkpoint
from vecac.train import train

cases, more = json.loads(sys.argv[1]), json.loads(sys.argv[2])
digests = {}
for name, settings in cases.items():
    result = train(Config(**settings, **more, num_envs=3, total_timesteps=1500, quiet=True, eval_episodes=6))
    content = checkpoint.load(result.run_dir / "checkpoints" / "latest.pt")
    bits = hashlib.sha256()
    for tensors in (content["network"], *content["optimizer"]["state"].values()):
        for tensor in tensors.values():
            bits.update(tensor.contiguous().numpy().tobytes())
    numbers = [result.env_steps, result.updates, result.episodes, result.last_100_return_mean]
    numbers.append(content["run"]["train_metrics"])
    digests[name] = [bits.hexdigest(), numbers, result.eval_return_mean, result.eval_sampled_return_mean]
print(json.dumps(digests))
"""


def digests(tmp_path, cases=CASES, **more):
    """What the runs of some cases lead to, in a process of their own."""
    arguments = (json.dumps(cases), json.dumps({"log_dir": str(tmp_path), **more}))
    code, stdout, stderr = run("-c", PROGRAM, *arguments, seconds=60 * len(cases))
    assert (code, stderr) == (0, "")
    return json.loads(stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return digests(tmp_path_factory.mktemp("first"))


def test_another_process_computes_the_same_bits(first, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", str(2 if os.environ.get("OMP_NUM_THREADS") != "2" else 1))
    assert digests(tmp_path) == first


@pytest.mark.parametrize(
    "cases", [COMPILED, pytest.param(MORE_COMPILED, marks=pytest.mark.slow)], ids=["some", "more"]
)
def test_kernels_compiled_here_or_loaded_compute_the_same_bits_whatever_ran_before(
    cases, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    cold = digests(tmp_path / "cold", cases)
    assert list((tmp_path / "cache" / "vecac").iterdir())
    warm = digests(tmp_path / "warm", dict(reversed(cases.items())))
    assert warm == cold


def test_worker_processes_change_no_bit(first):
    for learner in ("torch", "compiled"):
        # Evaluation shares its episodes out among as many environments as there are workers.
        assert first[f"sync, {learner}"][:2] == first[f"async, {learner}"][:2]


def test_another_seed_changes_every_case(first, tmp_path):
    other = digests(tmp_path, seed=2)
    assert all(other[name][0] != first[name][0] for name in CASES)


def test_different_engines_and_learners_need_not_agree(first):
    """They draw their random numbers each in their own way; nothing promises otherwise."""
    assert len({digest for digest, *_ in first.values()}) == 5
