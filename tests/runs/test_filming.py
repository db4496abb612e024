import json

import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from support import explained

from vecac.config import Config
from vecac.errors import EnvironmentFault, UsageError
from vecac.evaluate import main
from vecac.train import train

ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="needs the video extra")
pytest.importorskip("pygame", reason="needs the video extra")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = {
        "total_timesteps": 2000,
        "num_envs": 4,
        "eval_episodes": 3,
        "quiet": True,
        "log_interval": 500,
    }
    return train(Config(**settings, log_dir=str(tmp_path_factory.mktemp("logs"))))


def num_frames(path):
    return ffmpeg.count_frames_and_secs(str(path))[0]


@pytest.mark.parametrize(
    ("suffix", "flags", "episodes"),
    [(".mp4", [], 1), (".mp4", ["--episodes", "3"], 3), (".gif", ["--sampled", "--seed", "5"], 1)],
)
def test_a_video_has_the_episodes_frames(run, tmp_path, capsys, suffix, flags, episodes):
    """One before each step, and one of each end."""
    path = tmp_path / f"out{suffix}"
    assert main([str(run.run_dir), "--video", str(path), "--json", *flags]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["episodes"], told["video"]) == (episodes, str(path))
    assert num_frames(path) == round(told["length_mean"] * episodes) + episodes
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_episodes_are_those_of_the_evaluation(run, tmp_path, capsys):
    video = ["--video", str(tmp_path / "a.mp4")]
    found = []
    for flags in (video, []):
        assert main([str(run.run_dir), "--json", "--episodes", "1", "--checkpoint", "latest", *flags]) == 0
        found.append(json.loads(capsys.readouterr().out)["return_mean"])
    assert found[0] == found[1]


def test_the_ends_are_seen_whatever_the_mode_of_training(tmp_path, monkeypatch, capsys):
    """Each frame's corner tells the step, from 0 at a reset."""
    drawn = []
    render = CartPoleEnv.render

    def counted(self):
        frame = render(self)
        drawn.append(self.steps_beyond_terminated is not None)  # whether the episode has ended
        return frame

    monkeypatch.setattr(CartPoleEnv, "render", counted)
    settings = {"autoreset_mode": "same-step", "engine": "async", "total_timesteps": 100, "num_envs": 2}
    run = train(Config(**settings, eval_episodes=0, quiet=True, log_dir=str(tmp_path)))
    assert main([str(run.run_dir), "--video", str(tmp_path / "a.mp4"), "--episodes", "2", "--json"]) == 0
    assert sum(drawn) == 2
    assert drawn[-1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--video", "a.avi"], "--video a.avi: the file's name must end in .mp4, .gif"),
        (["--video", "a.mp4", "--render"], "--render shows what --video would draw into a file: leave one"),
        (["--video", "no/a.mp4"], "--video no/a.mp4: no is no folder; name a file in a folder that there is"),
    ],
)
def test_bad_input(run, elsewhere, capsys, flags, message):
    assert explained(main([str(run.run_dir), *flags]), *capsys.readouterr()).startswith(message)
    assert not list(elsewhere.iterdir())


def test_an_environment_that_cannot_be_drawn(elsewhere, capsys):
    settings = {"env_id": "scripted_environments:Echo-v0", "total_timesteps": 20, "eval_episodes": 0}
    run = train(Config(**settings, quiet=True, log_dir="logs"))
    message = explained(main([str(run.run_dir), "--video", "a.mp4"]), *capsys.readouterr())
    lacks = "needs an environment whose metadata has the render mode rgb_array: leave it out"
    assert message == f"--video {lacks}"
    with pytest.raises(UsageError, match=f"^--video-at-end {lacks}$"):
        train(Config(**settings, quiet=True, log_dir="others", video_at_end=True))
    assert sorted(path.name for path in elsewhere.iterdir()) == ["logs"]


def test_a_picture_that_is_none(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(CartPoleEnv, "render", lambda self: np.zeros((4, 4)))
    assert main([str(run.run_dir), "--video", str(tmp_path / "a.mp4")]) == 1
    assert "environment 0 was drawn as float64 (4, 4), not as uint8" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def film_at_end(tmp_path, **settings):
    base = {"total_timesteps": 2000, "num_envs": 4, "eval_episodes": 3, "quiet": True, "video_at_end": True}
    return train(Config(**{**base, **settings}, log_dir=str(tmp_path)))


@pytest.mark.parametrize("settings", [{}, {"engine": "vector"}, {"eval_episodes": 0}])
def test_a_run_leaves_a_video_and_shows_it_in_tensorboard(tmp_path, settings):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = film_at_end(tmp_path, **settings)
    frames = num_frames(result.run_dir / "video.mp4")
    assert frames > 1
    events = EventAccumulator(str(result.run_dir))
    events.Reload()
    (picture,) = events.Images("eval/video")
    assert (picture.step, picture.width, picture.height) == (result.env_steps, 300, 200)
    assert picture.encoded_image_string.startswith(b"GIF8")
    plain = train(
        Config(total_timesteps=2000, num_envs=4, eval_episodes=3, quiet=True, log_dir=str(tmp_path / "plain"))
    )
    if not settings:
        assert result.eval_return_mean == plain.eval_return_mean


def test_a_run_is_none_the_worse_if_it_cannot_be_drawn_in_the_end(tmp_path, monkeypatch, capsys):
    calls = []

    def fail(*_, **__):
        calls.append(1)
        raise EnvironmentFault("the pen is dry")

    monkeypatch.setattr("vecac.runs.final_evaluation.film", fail)
    result = film_at_end(tmp_path)
    assert (result.stop_reason, len(calls)) == ("finished", 1)
    assert capsys.readouterr().err == "warning: there is no video: the pen is dry\n"
