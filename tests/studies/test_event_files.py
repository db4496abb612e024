"""What TensorBoard reads of a study."""

import math

import numpy as np
import pytest
from study_support import failure, invented, make_study
from support import read_scalars
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from vecac.studies.event_files import METRICS, write_events
from vecac.studies.outcome import POINTS

TWO = {"gamma": (0.9, 0.99), "norm_obs": (True,)}


def event_files(study):
    return sorted(study.path.glob("settings/*/*"))


def hparams(folder, which):
    content = EventAccumulator(str(folder)).Reload().PluginTagToContent("hparams")
    return HParamsPluginData.FromString(content[f"_hparams_/{which}"])


def test_a_setting_has_its_curve(tmp_path):
    study, runs, summary = make_study(tmp_path, varied=TWO)
    write_events(study, runs, summary)
    assert [path.parent.name for path in event_files(study)] == ["1", "2"]
    scalars = read_scalars(study.path / "settings/2")
    steps = list(range(10, 1001, 10))
    share = np.arange(1, POINTS + 1) / POINTS
    for tag, final in (("iqm", 22.5), ("worst_decile", 21)):  # of 21, 22, 23 and 24
        assert [step for step, _ in scalars[f"study/return_{tag}"]] == steps
        np.testing.assert_allclose(
            [value for _, value in scalars[f"study/return_{tag}"]], final * share, 1e-6
        )
    low, high = (scalars[f"study/return_iqm_{end}"][-1][1] for end in ("low", "high"))
    assert 21 <= low < 22.5 < high <= 24


def test_a_setting_has_what_it_came_to(tmp_path):
    def outcome(setting, seed):
        return invented(setting, seed, solved_at=(200, 400, 600, None)[seed - 1])

    study, runs, summary = make_study(tmp_path, outcome=outcome)
    write_events(study, runs, summary)
    scalars = read_scalars(study.path / "settings/1")
    assert {tag: scalars[tag] for tag in METRICS} == {
        "summary/solved_share": [(1000, 0.75)],
        "summary/env_steps_to_solve_median": [(1000, 400)],
        "summary/final_return_iqm": [(1000, 12.5)],  # of 11, 12, 13 and 14
        "summary/final_return_worst_5_percent": [(1000, 11)],
        "summary/area_under_curve": [(1000, pytest.approx(12.5 * 0.505))],  # a line from 0.01 to 1
    }


def test_hparams_are_what_is_varied_beside_the_metrics(tmp_path):
    study, runs, summary = make_study(tmp_path, varied=TWO)
    write_events(study, runs, summary)
    shown = hparams(study.path / "settings/2", "session_start_info").session_start_info.hparams
    assert set(shown) == {"gamma", "norm_obs"}
    assert (shown["gamma"].number_value, shown["norm_obs"].string_value) == (0.99, "True")
    infos = hparams(study.path / "settings/2", "experiment").experiment.metric_infos
    assert [info.name.tag for info in infos] == list(METRICS)


def test_what_is_not_a_number_is_left_out(tmp_path):
    late = np.where(np.arange(POINTS) < 5, math.nan, 1.0)
    study, runs, summary = make_study(
        tmp_path,
        varied=TWO,
        outcome=lambda *which: failure(*which) if which[0] == 1 else invented(*which, curve=late),
    )
    write_events(study, runs, summary)
    assert read_scalars(study.path / "settings/1") == {"summary/solved_share": [(1000, 0.0)]}
    scalars = read_scalars(study.path / "settings/2")
    assert scalars["study/return_iqm"] == [(step, 1.0) for step in range(60, 1001, 10)]
    assert "summary/env_steps_to_solve_median" not in scalars


def test_old_files_are_replaced(tmp_path):
    study, runs, summary = make_study(tmp_path, varied=TWO)
    write_events(study, runs, summary)
    before = event_files(study)
    (study.path / "settings/2/a note").write_text("theirs")
    write_events(study, {1: runs[1]}, {**summary, "ranking": [1]})
    (after,) = study.path.glob("settings/*/events*")
    assert after.parent.name == "1" and after not in before
    assert (study.path / "settings/2/a note").exists()
    (study.path / "settings/2/a note").unlink()
    write_events(study, {1: runs[1]}, {**summary, "ranking": [1]})
    assert [path.name for path in (study.path / "settings").iterdir()] == ["1"]


def test_of_very_many_settings_the_best_are_there(tmp_path):
    varied = {"learning_rate": tuple(1e-5 * number for number in range(1, 302))}
    study, runs, summary = make_study(tmp_path, varied=varied, seeds=1)
    write_events(study, runs, summary)
    assert {int(path.parent.name) for path in event_files(study)} == set(range(102, 302))
