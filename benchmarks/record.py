"""What every benchmark makes: a table for people and, for --json, a record of where it was measured."""

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vecac
from vecac.cores import usable_cores
from vecac.errors import UsageError
from vecac.runs.run_folder import git_commit, write_json

PACKAGES = ("torch", "gymnasium", "numpy")


def summarize(numbers: Sequence[float]) -> dict[str, float] | None:
    """Median, minimum and maximum; None of no numbers."""
    if not numbers:
        return None
    return {"median": statistics.median(numbers), "min": min(numbers), "max": max(numbers)}


def require_record_file(path: Path | None) -> None:
    """Refuse, before anything is measured, a --json that could not be written.

    Raises:
        UsageError: there is no such folder, it is write-protected, or the path is a folder itself.
    """
    if path is not None and (path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK)):
        raise UsageError(f"--json {path} cannot be written: name a file in a folder that there is")


def make_record(
    benchmark: str,
    options: Any,
    measured_with: dict[str, Any],
    rows: list[dict[str, Any]],
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """The JSON object of a benchmark: where, with what and how it was measured, and its rows.

    Args:
        benchmark: its name.
        options: a dataclass, of which all but `json` are settings.
        measured_with: further settings.
        rows: what was measured.
        notes: lines that are to stand below the table.
    """
    settings = {name: value for name, value in asdict(options).items() if name != "json"}
    return {
        "benchmark": benchmark,
        "hardware": _hardware(),
        "versions": {"python": platform.python_version(), "vecac": vecac.__version__}
        | {package: version(package) for package in PACKAGES},
        "git_commit": git_commit(),
        "command_line": sys.argv,
        "settings": settings | measured_with,
        "notes": list(notes),
        "rows": rows,
    }


def write_record(record: dict[str, Any], path: Path | None) -> None:
    """Write the record to the file that --json names, if it does.

    Raises:
        UsageError: the file cannot be written.
    """
    if path is None:
        return
    try:
        write_json(path, record)
    except OSError as error:
        raise UsageError(f"--json {path} cannot be written: {error.strerror}") from error


def describe_place(record: dict[str, Any]) -> str:
    """One line for people about the machine and the versions in a record."""
    hardware = record["hardware"]
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    return f"{hardware['cpu']}, {hardware['cores']} cores, GPU {hardware['gpu'] or 'none'}; {versions}"


def format_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be: the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]

    def format_line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        return "  ".join([first, *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))])

    return "\n".join(format_line(line) for line in (header, ["-" * width for width in widths], *lines))


def _hardware() -> dict[str, Any]:
    import torch  # here, so that spawned worker processes, which import the benchmark again, stay small

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpu": _cpu_model(), "cores": usable_cores(), "gpu": gpu}


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine()
