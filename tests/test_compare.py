"""python -m vecac.compare, on studies whose runs are invented."""

import json

import pytest
from study_support import invented, make_study
from support import explained

from vecac.compare import compare_studies, main


@pytest.fixture
def studies(tmp_path):
    """One with gammas 0.9 and 0.99, and one with 0.99 and 0.999, whose runs come to 5 more."""
    made = []
    for values, more in (((0.9, 0.99), 0.0), ((0.99, 0.999), 5.0)):
        study, _, _ = make_study(
            tmp_path,
            {"gamma": values},
            outcome=lambda setting, seed, more=more: invented(
                setting, seed, final=100.0 * setting + seed + more
            ),
        )
        study.begin()
        study.flush(is_end=True)
        made.append(study)
    return made


def test_the_leading_settings_and_those_that_both_have_are_compared(studies):
    leaders, alike = compare_studies(studies)
    assert (leaders["setting"], leaders["other_setting"]) == ("--gamma 0.99", "--gamma 0.999")
    assert leaders["both_lead"]
    assert (leaders["pairs"], leaders["difference"]["value"], leaders["improvement"]["value"]) == (
        4,
        -5.0,
        0.0,
    )
    assert (alike["setting"], alike["other_setting"]) == ("--gamma 0.99", "--gamma 0.99")
    assert (alike["both_lead"], alike["difference"]["value"], alike["improvement"]["value"]) == (
        False,
        95.0,
        1.0,
    )


def test_a_table_and_the_numbers(studies, tmp_path, capsys):
    paths = [str(study.path) for study in studies]
    assert main([*paths, "--json", str(tmp_path / "numbers.json")]) == 0
    stdout = capsys.readouterr().out
    assert "--gamma 0.99 (leading)" in stdout
    assert "100.0 %" in stdout
    assert json.loads((tmp_path / "numbers.json").read_text())["rows"] == compare_studies(studies)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{0}"], "one study has nothing to be compared with"),
        (["{0}", "{none}"], "is not a study's folder"),
        (["{0}", "{other}"], "is of Pendulum-v1, "),
        (["{0}", "{empty}"], "has no run yet"),
        (["{0}", "{1}", "--json", "/nowhere/x.json"], "--json /nowhere/x.json cannot be written"),
    ],
)
def test_bad_input_is_a_line(studies, tmp_path, capsys, arguments, said):
    other, _, _ = make_study(tmp_path, env_id="Pendulum-v1")
    empty, _, _ = make_study(tmp_path)
    other.begin()
    empty.outcomes.clear()
    empty.begin()
    names = {"none": tmp_path, "other": other.path, "empty": empty.path}
    given = [argument.format(*(study.path for study in studies), **names) for argument in arguments]
    assert said in explained(main(given), *capsys.readouterr())
