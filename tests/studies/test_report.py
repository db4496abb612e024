"""The summary for people."""

import numpy as np
import pytest

from vecac.config import Config
from vecac.studies.design import make_design
from vecac.studies.findings import gather_all, summarize
from vecac.studies.outcome import POINTS, Outcome
from vecac.studies.report import (
    LEGEND,
    estimate,
    format_table,
    markdown,
    number,
    percentage,
    short_table,
    table,
)
from vecac.studies.variation import parse_variations


def made(vary, env_id="CartPole-v1", **fields):
    base = Config(engine="auto", total_timesteps=100_000, env_id=env_id)
    design = make_design(base, parse_variations(vary), 5)
    outcomes = {}
    for setting in range(1, len(design.settings) + 1):
        for seed in range(1, 6):
            known = {
                "env_steps": 100_000,
                "eval_return_mean": 10.0 * setting + seed,
                "stop_reason": "finished",
            }
            curve_G = np.full(POINTS, 1.0, np.float32)
            outcomes[setting, seed] = Outcome(setting, seed, **(known | fields), curve_G=curve_G)
    return design, summarize(design, gather_all(design, outcomes))


def test_a_table_begins_with_the_leading_setting():
    header, rows = table(*made(["gamma=0.9,0.95"], solved_at_env_steps=50_000))
    assert header[:3] == ["setting", "runs", "failed"]
    assert [row[0] for row in rows] == ["2: --gamma 0.95", "1: --gamma 0.9"]
    assert rows[0][1:4] == ["5", "0", "100.0 % (56.6 to 100.0)"]  # Wilson: n / (n + z^2) = 5 / 8.84
    assert rows[0][4].startswith("50,000, 50,000 (")
    assert rows[0][5].startswith("23 (")
    assert rows[0][6] == "21"


def test_a_terminal_gets_the_columns_that_it_has_room_for():
    made_one = made(["gamma=0.9,0.95"], solved_at_env_steps=50_000)
    header, rows = short_table(*made_one)
    _, whole = table(*made_one)
    assert header == ["setting", "runs", "solved", "env steps to solve", "final return", "worst 5 %"]
    assert [row[3] for row in rows] == ["50,000", "50,000"]
    assert [[*row[:3], *row[4:]] for row in rows] == [[*row[:2], row[3], *row[5:7]] for row in whole]


def test_what_is_not_known_is_a_dash():
    _, (row,) = table(*made([], env_id="Pendulum-v1"))
    assert row[0] == "1: the settings given"
    assert row[3:5] == ["-", "-"]
    _, (row,) = table(*made([], stop_reason="failed", error="it broke"))
    assert row[5:7] == ["-", "-"]


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "-"), (0.0, "0"), (-162.94, "-162.9"), (12345.6, "12,346"), (0.00012345, "0.0001234")],
)
def test_numbers_have_four_digits(value, said):
    assert number(value) == said


def test_estimates_and_percentages():
    known = {"value": 0.5, "low": 0.25, "high": 1.0}
    assert estimate(known) == "0.5 (0.25 to 1)"
    assert percentage(known) == "50.0 % (25.0 to 100.0)"
    assert estimate(None) == percentage(None) == percentage({"value": None, "low": None, "high": None}) == "-"


def test_columns_are_as_wide_as_they_need_to_be():
    assert format_table(["a", "b"], [["long", "1"], ["x", "22"]]) == [
        "a      b",
        "----  --",
        "long   1",
        "x     22",
    ]


def test_markdown_tells_all_of_it():
    text = markdown(*made(["gamma=0.9,0.95"], stop_reason="failed", error="it | broke"))
    assert text.startswith("# CartPole-v1: 2 settings, 10 runs\n")
    for part in (
        "## The leading setting against the others",
        "## Its worst seeds",
        "## Runs that failed",
        LEGEND,
    ):
        assert part in text
    assert "- setting 2, seed 5: it | broke" in text


def test_a_long_table_is_cut_and_a_bar_in_a_name_does_not_end_a_cell():
    text = markdown(*made(["num-envs=1..60"]))
    assert "The other 10 settings are in summary.json." in text
    text = markdown(*made(["env-kwargs=a='x y'|a='z'"]))
    (line,) = [line for line in text.splitlines() if "1: --env-kwargs" in line and "%" in line][:1]
    assert line.count("|") == 9
