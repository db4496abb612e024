"""What is drawn of a study, by the data of the lines, and the files that it is in."""

import math
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from study_support import failure, invented, make_study

from vecac.studies.figures import (
    draw_env_steps_to_solve,
    draw_figures,
    draw_final_returns,
    draw_learning_curves,
    performance_profile,
)
from vecac.studies.outcome import POINTS
from vecac.studies.variation import Range

pytestmark = pytest.mark.filterwarnings("error")
TWO = {"gamma": (0.9, 0.99)}
LINES = {"learning_curves", "env_steps_to_solve", "final_returns"}


def solved_in(*env_steps):
    """Runs from seed 1 on; None is one that was not solved."""
    return lambda setting, seed: invented(setting, seed, solved_at=env_steps[seed - 1])


def ending_with(*finals):
    """Runs from seed 1 on; None is one that failed."""

    def outcome(setting, seed):
        final = finals[seed - 1]
        return failure(setting, seed) if final is None else invented(setting, seed, final=final)

    return outcome


def drawn(draw, tmp_path, **study):
    study, runs, summary = make_study(tmp_path, **study)
    return draw(study.design, runs, summary)


def lines(figure, style=None):
    """Data of the lines of that style, or with a marker instead of one."""
    shown = [line for line in figure.axes[0].lines if style in (line.get_linestyle(), line.get_marker())]
    return [tuple(np.asarray(data).tolist() for data in line.get_data()) for line in shown]


def words(figure):
    """The title, the legend and the note."""
    legend = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return (
        figure.axes[0].get_title(loc="left") + figure.axes[0].get_title(),
        legend,
        figure.texts[-1].get_text(),
    )


def test_learning_curves_are_the_middle_and_the_worst_of_the_runs(tmp_path):
    figure = drawn(draw_learning_curves, tmp_path, varied=TWO)
    first, second = lines(figure, "-")
    # setting 2 leads: it ends with 21, 22, 23 and 24, of which a quarter is cut off at either end
    share = np.arange(1, POINTS + 1) / POINTS
    assert first[0] == second[0] == list(range(10, 1001, 10))
    np.testing.assert_allclose(first[1], 22.5 * share, rtol=1e-6)
    np.testing.assert_allclose(second[1], 12.5 * share, rtol=1e-6)
    worst, _ = lines(figure, "--")
    np.testing.assert_allclose(worst[1], 21 * share, rtol=1e-6)
    assert [line[1] for line in lines(figure, ":")] == [[475, 475]]
    assert len(figure.axes[0].collections) == 2
    assert figure.axes[0].get_xlabel() == "env steps"
    assert figure.axes[0].get_ylabel() == "mean return of 100 episodes"


def test_legend_and_note_say_what_is_what(tmp_path):
    _, legend, note = words(drawn(draw_learning_curves, tmp_path, varied=TWO))
    assert legend == ["2: --gamma 0.99", "1: --gamma 0.9"]
    assert note.startswith("Line: interquartile mean of 4 runs a setting. Band: its 95 % bootstrap interval")


def test_points_without_a_number_are_left_out(tmp_path):
    late = np.where(np.arange(POINTS) < 5, math.nan, 1.0)
    figure = drawn(
        draw_learning_curves, tmp_path, outcome=lambda *which: invented(*which, curve=late), seeds=2
    )
    ((_, heights),) = lines(figure, "-")
    assert np.isnan(heights[:5]).all() and heights[5:] == [1.0] * (POINTS - 5)


def test_a_setting_that_fails_is_drawn_until_then(tmp_path):
    def outcome(setting, seed):
        return invented(setting, seed, curve=np.where(np.arange(POINTS) < 50, 1.0, math.nan))

    ((_, heights),) = lines(drawn(draw_learning_curves, tmp_path, outcome=outcome), "-")
    assert heights[:50] == [1.0] * 50 and np.isnan(heights[50:]).all()


def test_shares_solved_are_kaplan_and_meiers(tmp_path):
    figure = drawn(draw_env_steps_to_solve, tmp_path, outcome=solved_in(400, None, 200, None))
    assert lines(figure, "-") == [([0, 200, 400, 1000], [0, 0.25, 0.5, 0.5])]
    assert lines(figure, "+") == [([1000], [0.5])]
    assert words(figure)[1] == ["the settings given (2 of 4)"]


def test_when_all_are_solved_it_stays_at_that(tmp_path):
    figure = drawn(draw_env_steps_to_solve, tmp_path, outcome=solved_in(400, 200), seeds=2)
    assert lines(figure, "-") == [([0, 200, 400, 1000], [0, 0.5, 1, 1])]
    assert lines(figure, "+") == []


def test_final_returns_are_reached_by_so_many(tmp_path):
    figure = drawn(draw_final_returns, tmp_path, outcome=ending_with(14, None, 12, 10))
    ((returns, shares),) = lines(figure, "-")
    assert returns[1:-1] == [10, 12, 14] and returns[0] < 10 and returns[-1] > 14
    assert shares == [0.75, 0.75, 0.5, 0.25, 0]
    assert figure.axes[0].lines[0].get_drawstyle() == "steps-pre"


def test_a_profiles_band_is_wilsons_by_hand():
    returns, share, low, high = performance_profile(np.array([12.0, 10, 12, -math.inf]), 9.0, 13.0)
    assert (returns.tolist(), share.tolist()) == ([9, 10, 12, 13], [0.75, 0.75, 0.5, 0])
    # z^2 = 3.8415, n = 4: middle (0.75 + 0.48018) / 1.96036, and half the width
    # 1.95996 * sqrt(0.75 * 0.25 / 4 + 3.8415 / 64) / 1.96036
    assert (low[1], high[1]) == pytest.approx((0.3006, 0.9544), abs=1e-4)


def test_many_runs_are_a_line_of_fewer_steps():
    returns, share, _, _ = performance_profile(np.arange(5000.0), -1.0, 5001.0)
    assert 400 < len(returns) < 510
    assert (returns[1], returns[-2]) == (0, 4999)
    np.testing.assert_allclose(share[1:-1], 1 - returns[1:-1] / 5000)


def test_of_many_settings_the_best_are_drawn(tmp_path):
    varied = {"gamma": Range(0.9, 0.999, is_log=False, is_whole=False)}
    study, runs, summary = make_study(tmp_path, varied=varied, seeds=1, sample_size=300)
    for draw in (draw_learning_curves, draw_env_steps_to_solve, draw_final_returns):
        title, legend, _ = words(draw(study.design, runs, summary))
        assert title.endswith(", the best 8 of 300 settings")
        assert [label.partition(":")[0] for label in legend] == [
            str(number) for number in range(300, 292, -1)
        ]
    assert len(draw_figures(study, runs, summary)) == 8


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ({"seeds": 1}, set()),
        ({"outcome": failure, "varied": TWO}, {"sensitivity"}),
        ({"varied": {**TWO, "learning_rate": (1e-4, 1e-3, 1e-2)}}, {"sensitivity", "heat_map"}),
        ({"outcome": failure, "varied": {**TWO, "ent_coef": (0.0, 0.1)}}, {"sensitivity", "heat_map"}),
    ],
    ids=("one run", "all failed", "grid", "failed grid"),
)
def test_figures_are_files(tmp_path, settings, more):
    study, runs, summary = make_study(tmp_path, **settings)
    paths = draw_figures(study, runs, summary)
    assert {path.name for path in paths} == {
        f"{name}{suffix}" for name in LINES | more for suffix in (".png", ".svg")
    }
    assert {path.name for path in study.path.iterdir()} == {"study.json", *(path.name for path in paths)}
    for path in paths:
        content = path.read_bytes()
        if path.suffix == ".png":
            assert content.startswith(b"\x89PNG") and b"tIME" not in content
        else:
            assert ElementTree.fromstring(content).tag.endswith("svg")


def test_without_a_threshold_nothing_is_solved(tmp_path):
    study, runs, summary = make_study(tmp_path, env_id="Pendulum-v1", varied=TWO)
    names = {path.stem for path in draw_figures(study, runs, summary)}
    assert names == {"learning_curves", "final_returns", "sensitivity"}
    assert lines(draw_learning_curves(study.design, runs, summary), ":") == []


def test_equal_runs_give_equal_bytes_whatever_matplotlib_is_set_to(tmp_path):
    study, runs, summary = make_study(tmp_path, varied={**TWO, "learning_rate": (1e-4, 1e-2)})
    before = {path: path.read_bytes() for path in draw_figures(study, runs, summary)}
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "svg.hashsalt": "another"}):
        theirs = dict(matplotlib.rcParams)
        assert {path: path.read_bytes() for path in draw_figures(study, runs, summary)} == before
        assert dict(matplotlib.rcParams) == theirs


def test_unusual_text_is_drawn_as_it_is(tmp_path):
    texts = ("$x^2$", "a\\$b", "\u65e5\u672c", "l" * 300)
    study, runs, summary = make_study(
        tmp_path, varied={"env_kwargs": tuple({"name": text} for text in texts)}
    )
    assert len(draw_figures(study, runs, summary)) == 8
    _, legend, _ = words(draw_learning_curves(study.design, runs, summary))
    assert legend[0].endswith("lll\N{HORIZONTAL ELLIPSIS}") and len(legend[0]) == 98
    assert "\\u65e5\\u672c" in legend[1] and "\\$x^2\\$" in legend[3]
