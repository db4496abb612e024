"""The scripts of docs/examples, each run to its end, but for fewer env steps than it asks for."""

import json
import re
from pathlib import Path

import pytest
from documents import ROOT
from support import run

EXAMPLES = ROOT / "docs/examples"
TRIED = {
    "own_environment": "import own_environment; own_environment.main(20_000, learner='torch')",
    "own_compiled_environment": "import own_compiled_environment as own; own.main(20_000)",
    "sweep": "import sweep; sweep.main(20_000, seeds=2)",
}


@pytest.fixture
def beside_the_examples(monkeypatch, tmp_path):
    """A process that is started can import them, and what it leaves is ours."""
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(code):
    """By a process of its own, since what the examples register stays in it."""
    status, stdout, stderr = run("-c", code, seconds=240)  # some of which go into compiling kernels
    assert (status, stderr) == (0, "")
    return stdout


def result_of(folder):
    (run_dir,) = folder.iterdir()
    return json.loads((run_dir / "result.json").read_text())


def test_an_environment_of_ones_own_is_trained_row_by_row(beside_the_examples):
    stdout = printed(TRIED["own_environment"])
    rows = re.findall(r"^ +([\d,]+) env steps: mean return -?\d+\.\d$", stdout, re.MULTILINE)
    assert rows[0].startswith("10,")
    assert len(rows) == 2
    assert re.search(r"^finished; greedy return -?\d+\.\d; see logs", stdout, re.MULTILINE)
    assert result_of(beside_the_examples / "logs")["env_steps"] >= 20_000


def test_its_run_stops_at_a_mean_return_of_85(beside_the_examples):
    rows = [{"time/total_timesteps": 1, "rollout/ep_rew_mean": mean} for mean in (84.9, 85.0)]
    stdout = printed(f"import own_environment; print(*map(own_environment.watch, {rows}))")
    assert stdout.splitlines()[-1] == "True False"


def test_its_time_limit_is_no_termination(beside_the_examples):
    """Without a push it drifts nowhere, until the limit that it is registered with."""
    code = (
        "import gymnasium, own_environment; env = gymnasium.make('Docking-v0'); env.reset(seed=1)\n"
        "ended = [env.step(1)[2:4] for _ in range(100)]; print(ended.index((False, True)), len(set(ended)))"
    )
    assert printed(code) == "99 2\n"


def test_the_compiled_form_is_the_environment_and_is_trained(beside_the_examples):
    stdout = printed(TRIED["own_compiled_environment"])
    assert re.match(r"[1-9]\d+ steps are the same in both forms\n20,000 env steps in ", stdout)
    assert result_of(beside_the_examples / "logs")["engine"] == "fused"


def test_the_sweep_ranks_its_settings(beside_the_examples):
    pytest.importorskip("scipy")
    pytest.importorskip("matplotlib")
    lines = printed(TRIED["sweep"]).splitlines()
    ranked = [line for line in lines if re.match(r"[123]: --learning-rate ", line)]
    assert len(ranked) == 3
    (path,) = re.findall(r"^leading: .*; tables and figures are in (.*)$", lines[-1])
    best = ranked[0].split()[2]
    assert lines[-1].startswith(f"leading: {{'learning_rate': {float(best)}}}")
    assert (Path(path) / "learning_curves.png").exists()


def test_every_example_is_run_here():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == TRIED.keys()


@pytest.mark.parametrize("name", ["own_environment", "own_compiled_environment"])
def test_the_command_that_an_example_names_is_one(beside_the_examples, name):
    (flags,) = re.findall(r"^    python (-m vecac.train .*)$", (EXAMPLES / f"{name}.py").read_text(), re.M)
    small = ["--total-timesteps", "2000", "--eval-episodes", "1", "--quiet"]
    small += [] if "fused" in flags else ["--learner", "torch"]
    assert run(*flags.split(), *small) == (0, "", "")
