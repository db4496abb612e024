import json
import os
import shutil

import pytest

from vecac.config import Config
from vecac.evaluate import main
from vecac.recording import checkpoint
from vecac.train import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = Config(
        total_timesteps=5000,
        num_envs=8,
        eval_episodes=6,
        log_interval=1000,
        learning_rate=1e-3,
        log_dir=str(tmp_path_factory.mktemp("logs")),
        quiet=True,
    )
    return train(config)


def evaluate(run, capsys, *flags):
    assert main([str(run.run_dir), "--json", *flags]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


def test_latest_repeats_the_runs_own_final_evaluation(run, capsys):
    greedy = evaluate(run, capsys, "--episodes", "6")
    assert (greedy["return_mean"], greedy["return_std"]) == (run.eval_return_mean, run.eval_return_std)
    assert (greedy["episodes"], greedy["env_steps"], greedy["policy"]) == (6, run.env_steps, "greedy")
    sampled = evaluate(run, capsys, "--episodes", "6", "--sampled")
    assert sampled["return_mean"] == run.eval_sampled_return_mean


def test_best_is_another_checkpoint(run, capsys):
    best = evaluate(run, capsys, "--episodes", "2", "--checkpoint", "best")
    assert best["checkpoint"] == "best"
    assert best["env_steps"] <= run.env_steps


def test_another_seed_plays_other_episodes(run, capsys):
    first = evaluate(run, capsys, "--episodes", "20", "--seed", "5")
    second = evaluate(run, capsys, "--episodes", "20", "--seed", "6")
    assert first["return_mean"] != second["return_mean"]


def test_without_json_it_is_a_sentence(run, capsys):
    assert main([str(run.run_dir), "--episodes", "2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("CartPole-v1, latest parameters after 5,0")
    assert "over 2 episodes" in out


def test_render_opens_a_window(run, capsys, monkeypatch):
    pygame = pytest.importorskip("pygame", reason="needs the render extra")
    monkeypatch.setitem(os.environ, "SDL_VIDEODRIVER", "dummy")
    frames = []
    flip = pygame.display.flip
    monkeypatch.setattr(pygame.display, "flip", lambda: (frames.append(1), flip()))
    evaluated = evaluate(run, capsys, "--episodes", "1", "--render")
    assert len(frames) >= evaluated["length_mean"]


def test_render_steps_the_environment_of_an_async_run_itself(run, capsys, monkeypatch, tmp_path):
    pytest.importorskip("pygame", reason="needs the render extra")
    monkeypatch.setitem(os.environ, "SDL_VIDEODRIVER", "dummy")
    path = shutil.copytree(run.run_dir, tmp_path / "run") / "checkpoints" / "latest.pt"
    content = checkpoint.load(path)
    changes = {"engine": "async", "start_method": "spawn", "shared_memory": False, "step_timeout": 5.0}
    checkpoint.save(path, content | {"config": content["config"] | changes})
    assert main([str(tmp_path / "run"), "--episodes", "1", "--render", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["episodes"] == 1


def test_render_without_pygame_says_how_to_get_it(run, capsys, monkeypatch):
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == "pygame"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pygame", None)
    assert main([str(run.run_dir), "--episodes", "1", "--render"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "pip install" in error
