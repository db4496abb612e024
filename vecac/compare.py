"""python -m vecac.compare STUDY STUDY ...: which study's settings are better, and how sure that is."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from vecac.errors import UsageError
from vecac.extras import require_extras
from vecac.runs.run_folder import write_json
from vecac.shell.command_line import run_command

if TYPE_CHECKING:
    from vecac.studies.folder import StudyFolder


@dataclass(frozen=True)
class CompareOptions:
    """Compare the first study with each of the others, run by run of the seeds that both have had."""

    studies: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """Folders of studies, as vecac.study printed them."""
    json: Path | None = None
    """File for the numbers."""


def compare_studies(studies: "Sequence[StudyFolder]") -> list[dict[str, Any]]:
    """The leading settings of the first study and of each other, and every setting that both have.

    Returns:
        A row a pair: study and setting of both, what each has solved, and what `summary.compare` says, by
        which the first one is `improvement` likely to be better.

    Raises:
        UsageError: the studies are not of one environment, or a study has no run yet.
    """
    from vecac.studies.findings import compare, gather_all, judged, leading

    first, *others = studies
    for study in studies:
        if study.design.base.env_id != first.design.base.env_id:
            raise UsageError(
                f"{study.path} is of {study.design.base.env_id}, {first.path} of {first.design.base.env_id}: "
                "returns of different environments cannot be compared"
            )
        if not study.outcomes:
            raise UsageError(
                f"{study.path} has no run yet: go on with python -m vecac.study --resume {study.path}"
            )
    runs = {study.path: gather_all(study.design, judged(study.design, study.outcomes)) for study in studies}
    rows = []
    for other in others:
        leaders = tuple(leading(runs[one.path], one.design.threshold) for one in (first, other))
        for ours, theirs in dict.fromkeys((leaders, *_alike(first, other))):
            if ours in runs[first.path] and theirs in runs[other.path]:
                row = {
                    "study": str(first.path),
                    "setting": first.design.describe(ours),
                    "other_study": str(other.path),
                    "other_setting": other.design.describe(theirs),
                    "both_lead": (ours, theirs) == leaders,
                }
                rows.append({**row, **compare(runs[first.path][ours], runs[other.path][theirs])})
    return rows


def _alike(one: "StudyFolder", other: "StudyFolder") -> Iterator[tuple[int, int]]:
    """Numbers of settings by which both studies train alike, seeds apart."""

    def training(study: "StudyFolder", setting: int) -> str:
        config = study.design.config(setting, 0).to_dict()
        return repr(
            {name: value for name, value in config.items() if name not in ("log_dir", "run_name", "quiet")}
        )

    theirs = {training(other, number): number for number in range(1, len(other.design.settings) + 1)}
    for number in range(1, len(one.design.settings) + 1):
        if (same := theirs.get(training(one, number))) is not None:
            yield number, same


def _command(values: dict[str, Any]) -> int:
    require_extras("study")
    from vecac.studies.folder import read_study
    from vecac.studies.report import estimate, format_table, percentage

    if len(values["studies"]) < 2:
        raise UsageError("one study has nothing to be compared with: name another one")
    rows = compare_studies([read_study(path) for path in values["studies"]])
    if values["json"] is not None:
        try:
            write_json(values["json"], {"rows": rows})
        except OSError as error:
            raise UsageError(f"--json {values['json']} cannot be written: {error.strerror}") from error
    header = ["setting", "other study", "its setting", "pairs", "better with probability"]
    header += ["difference of final returns", "of shares solved"]
    lines = [
        [
            row["setting"] + (" (leading)" if row["both_lead"] else ""),
            row["other_study"],
            row["other_setting"] + (" (leading)" if row["both_lead"] else ""),
            str(row["pairs"]),
            percentage(row["improvement"]),
            estimate(row["difference"]),
            estimate(row["solved_difference"]),
        ]
        for row in rows
    ]
    print("\n".join(format_table(header, lines)))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(CompareOptions, "python -m vecac.compare", argv, _command)


if __name__ == "__main__":
    sys.exit(main())
