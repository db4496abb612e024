"""What every benchmark prints: a table for people, and one JSON object that says where it was measured."""

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vecac
from vecac.recording.run_folder import git_commit

PACKAGES = ("torch", "gymnasium", "numpy")


def summarize(numbers: Sequence[float]) -> dict[str, float] | None:
    """Median, minimum and maximum; None of no numbers."""
    if not numbers:
        return None
    return {"median": statistics.median(numbers), "min": min(numbers), "max": max(numbers)}


def make_record(
    benchmark: str, settings: dict[str, Any], rows: list[dict[str, Any]], notes: Sequence[str] = ()
) -> dict[str, Any]:
    """The JSON object of a benchmark: where, with what and how it was measured, and its rows."""
    return {
        "benchmark": benchmark,
        "hardware": _hardware(),
        "versions": {"python": platform.python_version(), "vecac": vecac.__version__}
        | {package: version(package) for package in PACKAGES},
        "git_commit": git_commit(),
        "command_line": sys.argv,
        "settings": settings,
        "notes": list(notes),
        "rows": rows,
    }


def print_record(record: dict[str, Any]) -> None:
    """Print the record as one line; it has to be the last one."""
    print(json.dumps(record, allow_nan=False), flush=True)


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
    return {"cpu": _cpu_model(), "cores": os.cpu_count(), "gpu": gpu}


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor() or platform.machine()
