"""The picture of the learning curve."""

import struct

import learning_curve
import numpy as np
import pytest

from vecac.config import Config
from vecac.errors import UsageError
from vecac.runs.run_folder import describe_run, write_json


def write_run(folder, env_id, points):
    folder.mkdir()
    write_json(folder / "config.json", describe_run(Config(env_id=env_id), "cpu"))
    lines = ["rollout/ep_rew_mean,time/total_timesteps", ",5"]
    lines += [f"{mean_return},{env_steps}" for env_steps, mean_return in points]
    (folder / "progress.csv").write_text("\n".join(lines) + "\n")


def test_the_median_curve_ends_where_the_shortest_run_does():
    runs = [([0, 100], [0, 100]), ([20, 60], [50, 50]), ([0, 200], [200, 200])]
    curves = [learning_curve.Curve(np.array(x, float), np.array(y, float)) for x, y in runs]
    env_steps, mean_return = learning_curve.median_curve(curves)
    assert [env_steps[0], env_steps[-1], mean_return[0], mean_return[-1]] == [20, 60, 50, 60]


def test_the_learning_curve_is_a_picture_of_1000_by_500(tmp_path, capsys):
    for seed in (1, 2, 3):
        write_run(tmp_path / f"run{seed}", "CartPole-v1", [(1000 * seed, 20.0), (9000, 480.0)])
    picture = tmp_path / "curve.png"
    assert learning_curve.main([str(tmp_path / "run*"), "-o", str(picture)]) == 0
    assert struct.unpack(">II", picture.read_bytes()[16:24]) == (1000, 500)
    assert capsys.readouterr().out == f"{picture}: 3 runs\n"


def test_runs_that_cannot_be_drawn_together_are_refused(tmp_path):
    write_run(tmp_path / "one", "CartPole-v1", [(10, 1.0)])
    write_run(tmp_path / "two", "Acrobot-v1", [(10, 1.0)])
    write_run(tmp_path / "three", "CartPole-v1", [])
    with pytest.raises(UsageError, match=r"Acrobot-v1, CartPole-v1"):
        learning_curve.read_env_id([tmp_path / "one", tmp_path / "two"])
    with pytest.raises(UsageError, match="no row"):
        learning_curve.read_curve(tmp_path / "three")
    with pytest.raises(UsageError, match="no run folder"):
        learning_curve.find_run_folders([str(tmp_path / "four*")])
