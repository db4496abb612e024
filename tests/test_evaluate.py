import json
import os
import re
import shutil
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.error import DependencyNotInstalled
from support import explained
from support import run as python

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
        seed=9,  # ends worse than it was
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
    greedy = evaluate(run, capsys, "--episodes", "6", "--checkpoint", "latest")
    assert (greedy["return_mean"], greedy["return_std"]) == (run.eval_return_mean, run.eval_return_std)
    assert (greedy["episodes"], greedy["env_steps"], greedy["policy"]) == (6, run.env_steps, "greedy")
    sampled = evaluate(run, capsys, "--episodes", "6", "--sampled", "--checkpoint", "latest")
    assert sampled["return_mean"] == run.eval_sampled_return_mean


@pytest.mark.parametrize("flags", [(), ("--checkpoint", "best")])
def test_best_repeats_the_evaluation_of_the_best_parameters(run, capsys, flags):
    assert run.best_env_steps < run.env_steps
    greedy = evaluate(run, capsys, "--episodes", "6", *flags)
    assert (greedy["checkpoint"], greedy["env_steps"]) == ("best", run.best_env_steps)
    assert (greedy["return_mean"], greedy["return_std"]) == (
        run.eval_best_return_mean,
        run.eval_best_return_std,
    )
    sampled = evaluate(run, capsys, "--episodes", "6", "--sampled", *flags)
    assert sampled["return_mean"] == run.eval_best_sampled_return_mean


def test_episodes_that_are_cut_are_counted(run, capsys):
    summary = evaluate(run, capsys, "--episodes", "6", "--max-steps", "8")
    assert (summary["cut_episodes"], summary["length_mean"]) == (6, 8.0)
    assert main([str(run.run_dir), "--episodes", "6", "--max-steps", "8"]) == 0
    assert capsys.readouterr().out.endswith("over 6 episodes, of which 6 did not end and were cut\n")


def test_another_seed_plays_other_episodes(run, capsys):
    first = evaluate(run, capsys, "--episodes", "20", "--seed", "5")
    second = evaluate(run, capsys, "--episodes", "20", "--seed", "6")
    assert first["return_mean"] != second["return_mean"]


def test_without_json_it_is_a_sentence(run, capsys):
    assert main([str(run.run_dir), "--episodes", "2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("CartPole-v1, best parameters after 4,0")
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


@pytest.fixture
def no_display(monkeypatch):
    """No display, as on a server; afterwards, whatever a command has set is as it was."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_render_without_pygame_says_how_to_get_it(run, no_display, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "pygame"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pygame", None)
    code = main([str(run.run_dir), "--episodes", "1", "--render"])
    assert explained(code, *capsys.readouterr()) == (
        "--render needs pygame: pip install -c constraints.txt -e '.[render]'"
    )


def test_pygame_missed_by_an_environment_s_constructor_is_the_same(run, no_display, capsys, monkeypatch):
    def init(self, **_):
        raise DependencyNotInstalled("pygame is not installed")

    monkeypatch.setattr(CartPoleEnv, "__init__", init)
    message = explained(main([str(run.run_dir), "--render"]), *capsys.readouterr())
    assert message.startswith("--render needs pygame: pip install -c constraints.txt")


def test_the_pygame_that_gymnasium_asks_for_is_a_pinned_one():
    required = requires("gymnasium") or []
    (pygame,) = {re.match(r"[\w-]+", line)[0] for line in required if 'extra == "classic-control"' in line}
    pinned = (Path(__file__).parents[1] / "constraints.txt").read_text()
    assert re.search(rf"^{pygame}==", pinned, re.MULTILINE)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there always is a display")
@pytest.mark.parametrize("settings", [{}, {"SDL_VIDEODRIVER": "x11"}, {"DISPLAY": ":98765"}])
def test_render_without_a_display_is_one_line(run, no_display, monkeypatch, settings):
    pytest.importorskip("pygame", reason="needs the render extra")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    message = explained(*python("-m", "vecac.evaluate", run.run_dir, "--episodes", "1", "--render"))
    assert message == "--render cannot open a window: x11 not available; run it where there is a display"


def test_render_of_an_environment_that_cannot_be_shown_is_one_line(no_display, capsys, tmp_path):
    settings = {"env_id": "scripted_environments:Echo-v0", "total_timesteps": 20, "eval_episodes": 0}
    run = train(Config(**settings, quiet=True, log_dir=str(tmp_path)))
    message = explained(main([str(run.run_dir), "--render"]), *capsys.readouterr())
    assert message == "--render needs an environment whose metadata has the render mode human: leave it out"


def test_what_else_goes_wrong_while_it_is_shown_keeps_its_message(run, no_display, capsys, monkeypatch):
    def reset(self, **_):
        raise ValueError("the cart is stuck")

    monkeypatch.setattr(CartPoleEnv, "reset", reset)
    assert main([str(run.run_dir), "--episodes", "1", "--render"]) == 1
    assert capsys.readouterr().err.startswith("error: environment 0 raised ValueError: the cart is stuck")


def test_without_a_display_an_environment_may_be_shown_in_its_own_way(run, no_display, capsys, monkeypatch):
    """Such as on the terminal, for which there need be no window."""
    monkeypatch.setattr(CartPoleEnv, "render", lambda self: None)
    assert evaluate(run, capsys, "--episodes", "1", "--render")["episodes"] == 1
