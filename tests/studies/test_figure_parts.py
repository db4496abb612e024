"""The texts round a figure, and what a failed write leaves."""

import pytest
from study_support import make_study

from vecac.studies.figure_parts import (
    escaped,
    finish,
    heading,
    label_of,
    new_figure,
    runs_each,
    save,
    shown,
    wrapped,
)


@pytest.fixture
def design(tmp_path):
    return make_study(tmp_path, varied={"gamma": (0.9, 0.99)})[0].design


def test_a_title_says_how_many_there_are(design):
    assert (
        heading(design, "learning curves", 8, 2000)
        == "CartPole-v1: learning curves, the best 8 of 2,000 settings"
    )
    assert heading(design, "learning curves", 2, 2) == "CartPole-v1: learning curves"


def test_what_is_behind_a_label_is_not_cut_off(design):
    assert label_of(design, 2, " (3 of 4)") == "2: --gamma 0.99 (3 of 4)"
    assert label_of(design, 2, "!" * 90) == "2: --ga\N{HORIZONTAL ELLIPSIS}" + "!" * 90


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([1], "1 run"),
        ([1, 1], "1 run a setting"),
        ([3000, 3000], "3,000 runs a setting"),
        ([2, 5], "2 to 5 runs a setting"),
    ],
)
def test_runs_are_counted(counts, words):
    assert runs_each(counts) == words


def test_lines_are_broken_between_words():
    assert wrapped("one two three four", 9) == ["one two", "three", "four"]
    assert wrapped("a" * 20 + " b", 9) == ["a" * 20, "b"]


def test_text_is_one_line_without_formulas():
    assert shown("a\n b", 10) == "a b"
    assert shown("abcdef", 4) == "abc\N{HORIZONTAL ELLIPSIS}"
    assert (
        escaped("$\N{GREEK SMALL LETTER ALPHA}$\u65e5\x07")
        == "\\$\N{GREEK SMALL LETTER ALPHA}\\$\\u65e5\\x07"
    )


def test_what_is_below_makes_a_figure_higher_and_not_its_axes_smaller():
    figure = new_figure(3.0)
    axes = figure.subplots()
    handles = [axes.plot([0, 1])[0] for _ in range(4)]
    finish(figure, "a note", handles, ["short"] * 4)
    two_columns = figure.get_figheight()
    assert 3.4 < two_columns < 4
    figure = new_figure(3.0)
    handles = [figure.subplots().plot([0, 1])[0] for _ in range(4)]
    finish(figure, "a note", handles, ["l" * 80] * 4)
    assert figure.get_figheight() > two_columns + 0.3


def test_a_figure_that_cannot_be_written_leaves_the_old_one(tmp_path):
    figure = finish(new_figure(2.0), "first")
    paths = save(figure, tmp_path / "name.svg")
    before = [path.read_bytes() for path in paths]
    (tmp_path / "name.png.tmp").mkdir()  # where it is written to first
    with pytest.raises(OSError, match=r"name\.png\.tmp"):
        save(finish(new_figure(2.0), "second"), tmp_path / "name.svg")
    assert [path.read_bytes() for path in paths] == before
