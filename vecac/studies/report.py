"""A study's summary for people: the table on the terminal, and summary.md."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from vecac.studies.design import Design

MOST_ROWS = 50
"""Of a table."""

LEGEND = """- solved: the share of runs in which the mean return of the last 100 episodes came to the
  threshold, with Wilson's interval.
- env steps to solve: by when 10, 50 and 90 % of the runs were solved (Kaplan and Meier; a run that was not
  is censored, not left out), with the interval of the median; "-" where not so many came to it.
- final return: the interquartile mean over runs of the greedy evaluation's mean return (without evaluation,
  of the last 100 episodes), with its bootstrap interval; then the mean of the worst 5 % of the runs. A run
  that failed counts as worse than any return.
- area: under the curve of mean returns over env steps, in units of return; interquartile mean over runs.
- better with probability: that of two runs with the same seed the leading setting's has the higher final
  return, ties shared; difference: of the final returns' means.
- Intervals are at 95 %, for each number by itself: of many settings, the best one looks better than it is."""


def table(design: Design, summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """A header, and a row a setting, the leading one first."""
    by_number = {row["setting"]: row for row in summary["settings"]}
    header = ["setting", "runs", "failed", "solved", "env steps to solve 10, 50, 90 %", "final return"]
    header += ["worst 5 %", "area"]
    rows = []
    for number in summary["ranking"][:MOST_ROWS]:
        row = by_number[number]
        name = f"{number}: {design.describe(number)}"
        rows.append([name, str(row["runs"]), str(row["failed"]), *_results(row, summary["threshold"])])
    return header, rows


def short_table(design: Design, summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The columns of `table` that a terminal has room for."""
    by_number = {row["setting"]: row for row in summary["settings"]}
    header, rows = ["setting", "runs", "solved", "env steps to solve", "final return", "worst 5 %"], []
    for setting in summary["ranking"][:MOST_ROWS]:
        row = by_number[setting]
        solved, _, final, worst, _ = _results(row, summary["threshold"])
        median = number(row["env_steps_to_solve"]["50%"]["value"])
        rows.append(
            [f"{setting}: {design.describe(setting)}", str(row["runs"]), solved, median, final, worst]
        )
    return header, rows


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]], separator: str = "  ") -> list[str]:
    """Lines with columns as wide as they need to be, the first to the left."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return [
        separator.join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]


def markdown(design: Design, summary: Mapping[str, Any]) -> str:
    """The content of summary.md."""
    runs = sum(row["runs"] for row in summary["settings"])
    parts = [
        f"# {summary['env_id']}: {len(summary['settings'])} settings, {runs:,} runs",
        markdown_table(*table(design, summary)),
    ]
    if "found" in summary:
        parts.insert(1, "\n".join(found(summary)))
    if len(summary["ranking"]) > MOST_ROWS:
        parts.append(f"The other {len(summary['ranking']) - MOST_ROWS} settings are in summary.json.")
    if summary["leading_against"]:
        parts += ["## The leading setting against the others", markdown_table(*_against(design, summary))]
    worst = ", ".join(
        f"{seed['seed']} ({number(seed['final_return'])})"
        for seed in next(row for row in summary["settings"] if row["setting"] == summary["leading"])[
            "worst_seeds"
        ]
    )
    parts += ["## Its worst seeds, with their final returns", worst]
    if failures := [(row["setting"], one) for row in summary["settings"] for one in row["failures"]]:
        lines = [f"- setting {setting}, seed {one['seed']}: {one['error']}" for setting, one in failures]
        parts += ["## Runs that failed", "\n".join(lines[:MOST_ROWS])]
    return "\n\n".join([*parts, "## What the numbers are", LEGEND]) + "\n"


def found(summary: Mapping[str, Any]) -> list[str]:
    """What a search found, in lines."""
    (first, last), fresh = summary["found"]["fresh_seeds"], summary["found"]["fresh"]
    names = ["solved", "env steps to solve 10, 50, 90 %", "final return", "worst 5 %", "area"]
    results = [
        f"{name} {result}"
        for name, result in zip(names, _results(fresh, summary["threshold"]), strict=True)
        if result != "-"
    ]
    return [
        f"the best setting found, number {summary['leading']}:",
        f"    {summary['found']['command']}",
        f"with seeds {first} to {last}, which no trial had: {'; '.join(results)}",
    ]


def number(value: float | None) -> str:
    """With four digits, or "-" where there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def estimate(content: Mapping[str, float | None] | None) -> str:
    """A number with its interval."""
    if content is None or content["value"] is None:
        return "-"
    return f"{number(content['value'])} ({number(content['low'])} to {number(content['high'])})"


def percentage(content: Mapping[str, float | None] | None) -> str:
    """A share with its interval, in per cent."""
    if content is None or content["value"] is None:
        return "-"
    value, low, high = (f"{100 * (share or 0.0):.1f}" for share in content.values())
    return f"{value} % ({low} to {high})"


def _results(row: Mapping[str, Any], threshold: float | None) -> list[str]:
    steps = row["env_steps_to_solve"]
    early, median, late = (steps[name] for name in ("10%", "50%", "90%"))
    to_solve = f"{number(early['value'])}, {estimate(median)}, {number(late['value'])}"
    return [
        "-" if threshold is None else percentage(row["solved_share"]),
        "-" if threshold is None else to_solve,
        estimate(row["final_return"]),
        number(row["final_return_worst_5_percent"]),
        number(row["area_under_curve"]["value"]),
    ]


def _against(design: Design, summary: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    header = ["setting", "pairs", "better with probability", "difference of final returns"]
    rows = [
        [
            f"{row['setting']}: {design.describe(row['setting'])}",
            str(row["pairs"]),
            percentage(row["improvement"]),
            estimate(row["difference"]),
        ]
        for row in summary["leading_against"][:MOST_ROWS]
    ]
    return header, rows


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The lines of `format_table` as Markdown has them."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {line} |" for line in format_table(header, cells, " | "))
