"""What a study leaves when it is whole: its tables, its figures, and all of it in Python."""

import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vecac.studies.design import Design
from vecac.studies.findings import Runs, gather_all, judged, summarize, summarize_setting
from vecac.studies.folder import StudyFolder
from vecac.studies.report import format_table, markdown, short_table


@dataclass(frozen=True)
class StudyResult:
    """What a study came to.

    path: its folder. design: its settings and seeds. is_whole: whether it was not interrupted; then only is
    there the rest. runs: by the number of a setting, from 1, arrays over its runs. summary: the content of
    summary.json. figures: where they are.
    """

    path: Path
    design: Design
    is_whole: bool = True
    runs: dict[int, Runs] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    figures: list[Path] = field(default_factory=list)

    def table(self) -> str:
        """The settings, the leading one first, for people."""
        if not self.is_whole:
            return "interrupted"
        return "\n".join(format_table(*short_table(self.design, self.summary)))

    def _repr_html_(self) -> str:
        """What a notebook shows: the table and the figures."""
        drawings = [path.read_text(encoding="utf-8") for path in self.figures if path.suffix == ".svg"]
        drawings = [drawing[drawing.index("<svg") :] for drawing in drawings]
        return "".join(
            [f"<pre>{html.escape(self.table())}</pre>", *(f"<div>{one}</div>" for one in drawings)]
        )


def write_results(study: StudyFolder, best: int | None = None) -> StudyResult:
    """Write the tables, the figures and TensorBoard's files of the runs that there are, at least 1.

    `best`: the setting that a search has found, as `run_search` returns it.

    Raises:
        UsageError: the folder cannot be written to.
    """
    # Here, as the one needs torch and the other matplotlib, for which an interrupted study must not wait.
    from vecac.studies.event_files import write_events
    from vecac.studies.figures import draw_figures

    study.end()
    runs = gather_all(study.design, judged(study.design, study.outcomes))
    summary = summarize(study.design, runs, best)
    if best is not None:
        summary["found"] = _found(study, best)
    study.write("summary.json", summary)
    study.write_text("summary.md", markdown(study.design, summary))
    with study.disk_errors():
        write_events(study, runs, summary)
        figures = draw_figures(study, runs, summary)
    return StudyResult(study.path, study.design, True, runs, summary, figures)


def _found(study: StudyFolder, best: int) -> dict[str, Any]:
    """What a search found, and what it came to with seeds that no trial had."""
    design, known = study.design, study.design.seeds_of(study.design.seeds)
    fresh = {key: one for key, one in study.outcomes.items() if key[0] == best and key[1] not in known}
    (runs,) = gather_all(design, fresh).values()
    return {
        "command": design.command(best),
        "fresh_seeds": [int(runs.seed_R[0]), int(runs.seed_R[-1])],
        "fresh": summarize_setting(best, design.settings[best - 1], runs),
    }
