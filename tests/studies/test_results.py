"""What a whole study leaves, and what a notebook shows of it."""

import json
import re

from study_support import make_study, rows

from vecac.studies.folder import read_study
from vecac.studies.results import StudyResult, write_results


def test_everything_is_written_and_handed_out(tmp_path):
    study, runs, summary = make_study(tmp_path, {"gamma": (0.9, 0.99)})
    study.begin()
    result = write_results(study)
    assert (
        json.loads((study.path / "summary.json").read_text())
        == result.summary
        == json.loads(json.dumps(summary))
    )
    assert (study.path / "summary.md").read_text().startswith("# CartPole-v1: 2 settings, 8 runs")
    assert len(rows(study.path)) == 8
    assert result.runs[2].final_return_R.tolist() == runs[2].final_return_R.tolist()
    assert all(path.is_file() for path in result.figures)
    assert read_study(study.path).outcomes == study.outcomes


def test_a_notebook_shows_table_and_figures(tmp_path):
    study, _, _ = make_study(tmp_path, {"gamma": (0.9, 0.99)})
    study.begin()
    shown = write_results(study)._repr_html_()
    assert re.match(r"<pre>setting +runs", shown)
    assert "<?xml" not in shown
    assert shown.count("<div><svg") == shown.count("</svg>") == len([*study.path.glob("*.svg")])


def test_an_interrupted_study_has_nothing_to_show(tmp_path):
    study, _, _ = make_study(tmp_path)
    result = StudyResult(study.path, study.design, is_whole=False)
    assert result.table() == "interrupted"
    assert result._repr_html_() == "<pre>interrupted</pre>"
