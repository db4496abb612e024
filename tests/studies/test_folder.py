"""A study's folder: rows that are on disk at once, what a dead process leaves, and tables in order."""

import csv
import errno
import json
import math

import numpy as np
import pytest

import vecac
from vecac.config import Config
from vecac.errors import UsageError
from vecac.studies.design import make_design
from vecac.studies.folder import CURVE, create_study_folder, read_study
from vecac.studies.outcome import POINTS, Outcome
from vecac.studies.variation import parse_variations


@pytest.fixture
def design(tmp_path):
    base = Config(engine="auto", total_timesteps=5000, log_dir=str(tmp_path / "logs"))
    return make_design(base, parse_variations(["hidden-sizes=8,8 8", "max-grad-norm=none,0.5"]), 3)


def outcome(setting, seed, **fields):
    curve_G = np.linspace(0, 0.1 + seed, POINTS, dtype=np.float32)
    curve_G[0] = math.nan
    known = {"env_steps": 5000, "eval_return_mean": 0.1 + 0.2, "seconds": 1 / 3, "solved_at_env_steps": None}
    return Outcome(setting, seed, "finished", curve_G=curve_G, **(known | fields))


OUTCOMES = [
    outcome(2, 1),
    outcome(1, 3, solved_at_env_steps=4000, solved_at_seconds=0.1, last_100_return_mean=-1e-300),
    outcome(4, 2),
    outcome(1, 1),
]


def filled(design, outcomes=OUTCOMES):
    study = create_study_folder(design)
    study.begin()
    for one in outcomes:
        study.add(one)
    study.flush(is_end=True)
    return study


def assert_same(found, expected):
    assert found == {(one.setting, one.seed): one for one in expected}
    for one in expected:
        np.testing.assert_array_equal(found[one.setting, one.seed].curve_G, one.curve_G)


def rows(study):
    with (study.path / "runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_comes_back_as_it_was_in_mid_study_and_at_its_end(design):
    study = filled(design)
    assert study.path.name.startswith("study__CartPole-v1__vecac__")
    assert_same(read_study(study.path).outcomes, OUTCOMES)
    study.end()
    again = read_study(study.path)
    assert_same(again.outcomes, OUTCOMES)
    assert again.design == design
    assert {path.name for path in study.path.iterdir()} == {"study.json", "runs.csv", "curves.npz"}


def test_the_table_is_in_order_and_names_what_is_varied(design):
    study = filled(design)
    assert [(row["setting"], row["seed"]) for row in rows(study)] == [
        ("2", "1"),
        ("1", "3"),
        ("4", "2"),
        ("1", "1"),
    ]
    study.end()
    table = rows(study)
    assert [(row["setting"], row["seed"]) for row in table] == [
        ("1", "1"),
        ("1", "3"),
        ("2", "1"),
        ("4", "2"),
    ]
    assert [row["hidden_sizes"] for row in table] == ["(8,)", "(8,)", "(8,)", "(8, 8)"]
    assert [row["max_grad_norm"] for row in table] == ["", "", "0.5", "0.5"]
    assert table[1]["solved_at_env_steps"] == "4000"
    with np.load(study.path / "curves.npz") as curves:
        assert curves["return_mean"].shape == (4, POINTS)
        assert curves["seed"].tolist() == [1, 3, 1, 2]


@pytest.mark.parametrize("error", ["two words", 'it said "no", twice', "a\u2028line and a\x0bfeed", "é€"])
def test_whatever_an_error_says_comes_back(design, error):
    failed = Outcome(1, 1, "failed", error)
    study = filled(design, [failed])
    assert read_study(study.path).outcomes[1, 1].error == error


def test_a_row_torn_in_the_middle_of_a_character_is_half_a_row(design):
    study = filled(design, [*OUTCOMES, Outcome(3, 3, "failed", "€")])
    whole = (study.path / "runs.csv").read_bytes()
    (study.path / "runs.csv").write_bytes(whole[: whole.index("€".encode()) + 1])
    assert_same(read_study(study.path).outcomes, OUTCOMES)


@pytest.mark.parametrize("file", ["runs.csv", "curves.part"])
def test_half_a_row_or_half_a_curve_is_done_again(design, file):
    study = filled(design)
    path = study.path / file
    whole = path.read_bytes()
    size = CURVE.itemsize if file == "curves.part" else len(whole.splitlines(keepends=True)[-1])
    for cut in (1, size // 2, size):
        path.write_bytes(whole[:-cut])
        assert_same(read_study(study.path).outcomes, OUTCOMES[:-1])


def test_going_on_keeps_what_there_was_and_cuts_half_a_row_off(design):
    study = filled(design)
    with (study.path / "runs.csv").open("ab") as file:
        file.write(b"3,1,half a r")
    again = read_study(study.path)
    again.begin()
    again.add(outcome(3, 3))
    again.flush(is_end=True)
    assert_same(read_study(study.path).outcomes, [*OUTCOMES, outcome(3, 3)])
    again.end()
    assert_same(read_study(study.path).outcomes, [*OUTCOMES, outcome(3, 3)])


def test_a_crash_between_the_steps_of_the_end_loses_nothing(design, monkeypatch):
    from vecac.studies import folder

    real, calls = folder.write_atomically, []

    def failing(path, data):
        calls.append(path.name)
        if path.name == "runs.csv":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, data)

    study = filled(design)
    monkeypatch.setattr(folder, "write_atomically", failing)
    with pytest.raises(UsageError, match=r"cannot be written to .No space left on device.: .* --resume"):
        study.end()
    assert calls == ["curves.npz", "runs.csv"]
    assert_same(read_study(study.path).outcomes, OUTCOMES)


def test_rows_are_flushed_no_more_than_twice_a_second(design, monkeypatch):
    from vecac.studies import folder

    study = create_study_folder(design)
    study.begin()
    now = 100.0
    monkeypatch.setattr(folder.time, "monotonic", lambda: now)
    study.add(OUTCOMES[0])
    study.flush()
    study.add(OUTCOMES[1])
    now += 0.4
    study.flush()
    assert len(rows(study)) == 1
    now += 0.2
    study.flush()
    assert len(rows(study)) == 2


def test_the_description_says_what_it_was_made_with(design):
    content = json.loads((create_study_folder(design).path / "study.json").read_text())
    assert content["versions"]["vecac"] == vecac.__version__
    assert {"git_commit", "command_line", "format_version", "design"} <= content.keys()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: (path / "study.json").unlink(), "is not a study's folder"),
        (lambda path: (path / "study.json").write_text("{"), "study.json is damaged: it is not JSON"),
        (lambda path: (path / "study.json").write_text("[]"), "is damaged: it does not hold a study"),
        (lambda path: (path / "study.json").write_text("{}"), "is damaged: it does not hold a study"),
        (
            lambda path: edit_json(path, lambda study: study["versions"].update(vecac="0.0.1")),
            "made by vecac 0.0.1",
        ),
        (lambda path: edit_json(path, lambda study: study.update(format_version=99)), "was made by vecac"),
        (lambda path: edit_json(path, lambda study: study["design"].pop("seeds")), "does not hold a study"),
        (
            lambda path: edit_json(path, lambda study: study["design"]["base"].update(gamma=7)),
            "--gamma must be between 0 and 1",
        ),
        (lambda path: (path / "runs.csv").write_text("setting,seed\nx,y\n"), "runs.csv is damaged"),
        (
            lambda path: (path / "curves.npz").write_text("x"),
            "curves.npz is damaged: delete it, and the runs are",
        ),
        (lambda path: (path / "curves.npz").write_text(""), "curves.npz is damaged"),
        (
            lambda path: np.savez(path / "curves.npz", setting=[1], seed=[1], return_mean=[[1.0] * 7]),
            "is damaged",
        ),
        (
            lambda path: edit_json(path, lambda study: study["design"].update(seeds="2")),
            "does not hold a study",
        ),
    ],
)
def test_what_is_damaged_is_named(design, damage, said):
    study = filled(design)
    damage(study.path)
    with pytest.raises(UsageError, match=said):
        read_study(study.path)


def edit_json(path, change):
    content = json.loads((path / "study.json").read_text())
    change(content)
    (path / "study.json").write_text(json.dumps(content))
