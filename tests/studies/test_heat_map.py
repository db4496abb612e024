"""Cells of a heat map, and the numbers in them."""

import numpy as np
import pytest
from study_support import failure, invented, make_study

from vecac.studies.heat_map import draw_heat_map

pytestmark = pytest.mark.filterwarnings("error")
GRID = {"gamma": (0.9, 0.99), "learning_rate": (1e-4, 1e-3, 1e-2)}


def drawn(tmp_path, **study):
    study, _, summary = make_study(tmp_path, seeds=2, **study)
    figure = draw_heat_map(study.design, summary)
    return [axes for axes in figure.axes if axes.images]


def numbers(axes):
    return [text.get_text() for text in axes.texts]


def test_a_cell_is_what_a_setting_came_to(tmp_path):
    def outcome(setting, seed):
        return invented(setting, seed, solved_at=500 if setting + seed > 6 else None)

    final, solved = drawn(tmp_path, varied=GRID, outcome=outcome)
    assert final.images[0].get_array().tolist() == [[11.5, 21.5, 31.5], [41.5, 51.5, 61.5]]
    assert numbers(final) == ["11.5", "21.5", "31.5", "41.5", "51.5", "61.5"]
    assert solved.images[0].get_array().tolist() == [[0, 0, 0], [0, 0.5, 1]]
    assert numbers(solved) == ["0%", "0%", "0%", "0%", "50%", "100%"]
    assert (final.get_xlabel(), final.get_ylabel()) == ("--learning-rate", "--gamma")
    assert [label.get_text() for label in final.get_yticklabels()] == ["0.9", "0.99"]


def test_a_setting_that_failed_is_a_cross(tmp_path):
    def outcome(setting, seed):
        return failure(setting, seed) if setting == 2 else invented(setting, seed)

    final, solved = drawn(tmp_path, varied=GRID, outcome=outcome)
    assert np.ma.getmaskarray(final.images[0].get_array()).sum() == 1
    assert numbers(final)[1] == "\N{MULTIPLICATION SIGN}"
    assert numbers(solved)[1] == "0%"


def test_a_number_stands_out_from_its_cell(tmp_path):
    final, _ = drawn(tmp_path, varied=GRID)
    assert [text.get_color() for text in final.texts] == ["white"] * 3 + ["black"] * 3  # 36.5 is the middle


def test_without_a_threshold_there_is_one_panel(tmp_path):
    assert len(drawn(tmp_path, varied=GRID, env_id="Pendulum-v1")) == 1


def test_numbers_that_do_not_fit_are_left_out(tmp_path):
    varied = {"gamma": (0.9, 0.99), "learning_rate": tuple(1e-4 * number for number in range(1, 22))}
    final, _ = drawn(tmp_path, varied=varied)
    assert final.images[0].get_array().shape == (2, 21)
    assert numbers(final) == []


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.0, "0"), (0.01234, "0.0123"), (-162.6, "-163"), (4321.0, "4321"), (1e7, "1.0e+07")],
)
def test_a_number_has_three_digits_or_so(tmp_path, number, text):
    varied = {"gamma": (0.9, 0.99), "ent_coef": (0.0, 0.1)}
    final, _ = drawn(tmp_path, varied=varied, outcome=lambda *which: invented(*which, final=number))
    assert numbers(final) == [text] * 4
