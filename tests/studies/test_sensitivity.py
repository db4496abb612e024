"""Panels of what a flag does, by the data of their points."""

import numpy as np
import pytest
from study_support import failure, invented, make_study

from vecac.studies.sensitivity import draw_sensitivity, final_return_kind, is_grid, values_of
from vecac.studies.variation import Range

pytestmark = pytest.mark.filterwarnings("error")
GRID = {"gamma": (0.9, 0.99), "learning_rate": (1e-4, 1e-3, 1e-2)}
RANGES = {
    "gamma": Range(0.9, 0.999, is_log=False, is_whole=False),
    "learning_rate": Range(1e-5, 1e-2, is_log=True, is_whole=False),
}


def solved_from_4_on(setting, seed):
    return invented(setting, seed, solved_at=500 if setting >= 4 else None)


def panels(tmp_path, **study):
    """By flag and what is drawn, axes."""
    study, runs, summary = make_study(tmp_path, seeds=2, **study)
    axes = draw_sensitivity(study.design, runs, summary).axes
    kinds = [("final return", "solved") if summary["threshold"] is not None else ("final return",)][0]
    columns = min(3, len(study.design.varied))
    return {
        (name, kind): axes[place // columns * columns * len(kinds) + below * columns + place % columns]
        for place, name in enumerate(study.design.varied)
        for below, kind in enumerate(kinds)
    }


def points(axes):
    return [np.asarray(data).tolist() for data in axes.lines[0].get_data()]


def test_a_grid_has_the_runs_of_each_value_whatever_the_other_flags(tmp_path):
    axes = panels(tmp_path, varied=GRID, outcome=solved_from_4_on)
    # gamma 0.9: settings 1 to 3, with 11 12 21 22 31 32, of which one is cut off at either end
    assert points(axes["gamma", "final return"]) == [[0.9, 0.99], [21.5, 51.5]]
    # learning rate 1e-4: settings 1 and 4, with 11 12 41 42
    assert points(axes["learning_rate", "final return"]) == [[1e-4, 1e-3, 1e-2], [26.5, 36.5, 46.5]]
    assert points(axes["gamma", "solved"]) == [[0.9, 0.99], [0, 1]]
    assert points(axes["learning_rate", "solved"]) == [[1e-4, 1e-3, 1e-2], [0.5, 0.5, 0.5]]
    assert axes["learning_rate", "solved"].lines[0].get_linestyle() == "-"


def test_an_interval_is_drawn_at_each_point(tmp_path):
    axes = panels(tmp_path, varied=GRID, outcome=solved_from_4_on)["gamma", "solved"]
    # Wilson, none of 6: up to 3.8415 / (6 + 3.8415)
    bars = [np.asarray(bar).tolist() for bar in axes.collections[0].get_segments()]
    assert bars[0] == [[0.9, 0.0], [0.9, pytest.approx(0.3903, abs=1e-4)]]
    assert bars[1] == [[0.99, pytest.approx(0.6097, abs=1e-4)], [0.99, 1.0]]


def test_numbers_have_a_log_axis_where_they_span_more_than_a_decade(tmp_path):
    axes = panels(tmp_path, varied={**GRID, "ent_coef": (0.0, 0.1)})
    scales = {name: axes[name, "solved"].get_xscale() for name in ("gamma", "learning_rate", "ent_coef")}
    assert scales == {"gamma": "linear", "learning_rate": "log", "ent_coef": "linear"}
    assert axes["learning_rate", "solved"].get_xlabel() == "--learning-rate"


def test_a_sample_has_a_point_for_each_setting(tmp_path):
    study, runs, summary = make_study(tmp_path, varied=RANGES, seeds=2, sample_size=5)
    axes = draw_sensitivity(study.design, runs, summary).axes
    finals = [11.5, 21.5, 31.5, 41.5, 51.5]
    assert points(axes[0]) == [[setting["gamma"] for setting in study.design.settings], finals]
    assert points(axes[1]) == [[setting["learning_rate"] for setting in study.design.settings], finals]
    assert axes[0].lines[0].get_linestyle() == "None"
    assert axes[1].get_xscale() == "log"


def test_many_points_have_no_intervals(tmp_path):
    axes = panels(tmp_path, varied=RANGES, sample_size=201)["gamma", "final return"]
    assert len(points(axes)[0]) == 201
    assert not axes.collections


def test_what_is_no_number_is_a_category(tmp_path):
    varied = {"max_grad_norm": (None, 5.0, 0.5), "norm_obs": (True, False), "hidden_sizes": ((8, 8), (16,))}
    axes = panels(tmp_path, varied=varied)
    ticks = {name: [label.get_text() for label in axes[name, "solved"].get_xticklabels()] for name in varied}
    assert ticks == {
        "max_grad_norm": ["0.5", "5.0", "None"],
        "norm_obs": ["True", "False"],
        "hidden_sizes": ["8 8", "16"],
    }
    assert points(axes["max_grad_norm", "solved"])[0] == [0, 1, 2]


def test_values_that_fail_are_marked_at_the_bottom(tmp_path):
    def outcome(setting, seed):
        return failure(setting, seed) if setting == 3 else invented(setting, seed)

    axes = panels(tmp_path, varied={"learning_rate": (1e-4, 1e-3, 1e-2)}, outcome=outcome)
    shown, lost = axes["learning_rate", "final return"].lines
    assert shown.get_xdata().tolist() == [1e-4, 1e-3]
    assert (lost.get_marker(), lost.get_xdata().tolist()) == ("v", [1e-2])
    assert len(axes["learning_rate", "solved"].lines[1].get_xdata()) == 0


def test_there_is_no_share_solved_without_a_threshold(tmp_path):
    study, runs, summary = make_study(tmp_path, varied=GRID, env_id="Pendulum-v1")
    assert len(draw_sensitivity(study.design, runs, summary).axes) == 2


def test_a_grid_is_told_from_a_sample(tmp_path):
    assert is_grid(make_study(tmp_path, varied=GRID)[0].design)
    assert not is_grid(make_study(tmp_path, varied=GRID, sample_size=5)[0].design)
    assert not is_grid(make_study(tmp_path, varied=RANGES, sample_size=5)[0].design)


def test_values_are_in_order(tmp_path):
    design = make_study(tmp_path, varied={"max_grad_norm": (5.0, None, 10.0, 0.5)})[0].design
    assert values_of(design, "max_grad_norm") == {"0.5": 0.5, "5.0": 5.0, "10.0": 10.0, "None": None}


def test_a_final_return_is_that_of_the_evaluation_if_there_is_one(tmp_path):
    design = make_study(tmp_path)[0].design
    assert final_return_kind(design) == "mean of the greedy evaluation"
    design = make_study(tmp_path, eval_episodes=0)[0].design
    assert final_return_kind(design) == "mean of the last 100 episodes"
