"""What is drawn of runs, by the data of the lines, and the window."""

import math

import numpy as np
import pytest
from run_folders import climb, make_run

from vecac.recording.meanings import METRICS
from vecac.studies.run_curves import group_curves, read_curves
from vecac.studies.run_figures import LOOKS, draw_groups, draw_runs, show

pytestmark = pytest.mark.filterwarnings("error")
RETURN, GREEDY = "rollout/ep_rew_mean", "eval/mean_reward"


def runs(tmp_path, x="env_steps", y=RETURN):
    return draw_runs(read_curves([tmp_path], x, y), x, y)


def groups(tmp_path, *fields, y=RETURN):
    return draw_groups(
        group_curves(read_curves([tmp_path], "env_steps", y), y, fields), "env_steps", y, fields
    )


def lines(figure):
    """Data of the lines but for that of the threshold."""
    return [
        tuple(np.asarray(data).tolist() for data in line.get_data())
        for line in figure.axes[0].lines
        if line.get_linestyle() != ":"
    ]


def thresholds(figure):
    return [line.get_ydata()[0] for line in figure.axes[0].lines if line.get_linestyle() == ":"]


def words(figure):
    """The title, the legend and the note, whose lines are one."""
    legend = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    title = figure.axes[0].get_title(loc="left") + figure.axes[0].get_title()  # wherever the style puts it
    return title, legend, " ".join(figure.texts[-1].get_text().split())


def test_each_run_is_a_line_with_its_name(tmp_path):
    make_run(tmp_path, "b", [{"x": 10, "s": 0.1, "y": 1.5}, {"x": 20, "s": 0.3, "y": 4.0}])
    make_run(tmp_path, "a", [{"x": 15, "s": 0.2, "y": 7.0}, {"x": 40, "s": 0.4, "y": 2.0}])
    figure = runs(tmp_path)
    assert lines(figure) == [([15, 40], [7, 2]), ([10, 20], [1.5, 4])]
    title, legend, note = words(figure)
    assert (title, legend) == ("CartPole-v1: rollout/ep_rew_mean", ["a", "b"])
    assert note == f"Line: a run. {RETURN}: {METRICS[RETURN]}."
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xlim()) == ("env steps", RETURN, (0, 40))
    colours = [line.get_color() for line in axes.lines[:2]]
    assert len({*colours}) == 2
    assert [handle.get_color() for handle in figure.legends[0].get_lines()] == colours
    assert thresholds(figure) == [475]

    figure = runs(tmp_path, x="seconds")
    assert lines(figure) == [([0.2, 0.4], [7, 2]), ([0.1, 0.3], [1.5, 4])]
    assert figure.axes[0].get_xlabel() == "seconds since the first env step"
    assert figure.axes[0].get_xlim() == (0, 0.4)


def test_runs_with_one_name_are_told_apart_by_their_paths(tmp_path):
    for folder in ("one", "other"):
        make_run(tmp_path / folder, "run", climb((1, 2), (3, 4)))
    figure = runs(tmp_path)
    assert len(lines(figure)) == 2
    assert words(figure)[1] == [str(tmp_path / folder / "run") for folder in ("one", "other")]


def test_many_runs_are_told_apart_by_their_environment(tmp_path):
    for number in range(9):
        env_id = "Acrobot-v1" if number == 4 else "CartPole-v1"
        make_run(tmp_path, f"run{number}", climb((1, number), (2, number)), env_id=env_id)
    figure = runs(tmp_path)
    assert lines(figure) == [([1, 2], [number] * 2) for number in range(9)]
    title, legend, _ = words(figure)
    assert (title, legend) == (
        "2 environments: rollout/ep_rew_mean",
        ["CartPole-v1 (8 runs)", "Acrobot-v1 (1 run)"],
    )
    colours = [line.get_color() for line in figure.axes[0].lines]
    assert colours[4] not in colours[:4] and len({*colours}) == 2
    assert [handle.get_color() for handle in figure.legends[0].get_lines()] == [colours[0], colours[4]]
    assert thresholds(figure) == []


def test_a_group_is_a_line_with_a_band(tmp_path):
    """Of gamma 0.9, heights 1, 3, 4 and 7, of which 3 and 4 count; of 0.99, one run."""
    for height in (1, 3, 4, 7):
        make_run(tmp_path, f"run{height}", climb((0, height), (100, height)), gamma=0.9)
    make_run(tmp_path, "other", climb((0, 20), (50, 30), (90, 10)), gamma=0.99)
    figure = groups(tmp_path, "gamma")
    (first_x, first_y), second = lines(figure)
    assert (first_x[0], first_x[-1], {*first_y}) == (0, 100, {3.5})
    assert second == ([0, 50, 90], [20, 30, 10])
    (own,) = group_curves(read_curves([tmp_path], "env_steps", RETURN), RETURN, ["gamma"])[:1]
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (own.low_G[0], own.high_G[0])
    assert 1 <= own.low_G[0] < 3.5 < own.high_G[0] <= 7
    title, legend, note = words(figure)
    assert title == "CartPole-v1: rollout/ep_rew_mean by --gamma"
    assert legend == ["--gamma 0.9 (n = 4)", "--gamma 0.99 (n = 1)"]
    assert note.startswith("Line: median of a group's n runs, at 100 points")
    assert "Band: its 95 % bootstrap interval at each point" in note
    assert thresholds(figure) == [475]


def test_numbers_of_the_end_are_marks_with_bars(tmp_path):
    for number, height in enumerate((10, 20, 60)):
        make_run(tmp_path, f"run{number}", climb((100, height), y="e"), {})
    figure = groups(tmp_path, "gamma", y=GREEDY)
    assert lines(figure) == [([100], [20])]
    (line,) = figure.axes[0].lines[:1]
    assert (line.get_marker(), line.get_clip_on()) == ("o", False)
    (bar,) = figure.axes[0].collections
    ((left, low), (right, high)) = bar.get_segments()[0]
    assert left == right == 100
    assert 10 <= low < 20 < high <= 60


def test_the_number_of_one_run_is_a_mark_without_a_bar(tmp_path):
    make_run(tmp_path, "run", climb((100, 7), y="e"), {})
    figure = groups(tmp_path, "gamma", y=GREEDY)
    figure.draw_without_rendering()
    assert lines(figure) == [([100], [7])]


def test_bands_without_an_end_go_below_everything(tmp_path):
    for number, height in enumerate((1, 2, 3, 4)):
        make_run(tmp_path, f"run{number}", climb((0, height), (100, height)), {})
    make_run(tmp_path, "failed", climb((0, 5), (50, 5)), {"stop_reason": "failed"})
    figure = groups(tmp_path, "gamma")
    assert np.isfinite(lines(figure)[0][1]).all()
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    (own,) = group_curves(read_curves([tmp_path], "env_steps", RETURN), RETURN, ["gamma"])
    assert np.isneginf(own.low_G[-1])
    assert np.isfinite(band).all() and band[:, 1].min() < np.min(own.low_G[np.isfinite(own.low_G)])
    assert band[:, 0].max() == 100
    assert "A run that has failed counts as worse than any other from then on." in words(figure)[2]
    assert "target" not in words(figure)[2]


def test_a_line_ends_where_too_many_runs_have_failed(tmp_path):
    for name in ("a", "b"):
        make_run(tmp_path, name, climb((0, 5), (50, 5)), {"stop_reason": "failed"})
    make_run(tmp_path, "c", climb((0, 5), (99, 5)), {})
    ((_, heights),) = lines(groups(tmp_path, "gamma"))
    assert heights[0] == 5 and math.isnan(heights[-1])


def test_groups_can_be_told_apart(tmp_path):
    for seed in range(len(LOOKS)):
        make_run(tmp_path, f"run{seed}", climb((1, seed), (2, seed)), seed=seed, env_id="Pendulum-v1")
    figure = groups(tmp_path, "seed")
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == len(LOOKS) == 24
    assert len(words(figure)[1]) == 24


def test_without_a_display_nothing_is_shown(tmp_path):
    assert not show(groups_of_one(tmp_path))


def groups_of_one(tmp_path):
    make_run(tmp_path, "run", climb((1, 1), (2, 2)))
    return groups(tmp_path, "gamma")


def test_where_there_is_a_display_the_figure_itself_is_shown(tmp_path, monkeypatch):
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure, shown = groups_of_one(tmp_path), []
    monkeypatch.setattr(FigureCanvasAgg, "required_interactive_framework", "a stand-in")
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf()))
    assert show(figure)
    assert shown == [figure]
    assert plt.get_fignums() == []
