"""A program of this folder in a process of its own, so that no package's threads disturb another's."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def run_program(name: str, *arguments: object, seconds: float | None = None) -> Any:
    """The JSON object that the program prints as its last line.

    Raises:
        CalledProcessError: it failed; `stderr` has what it said.
        TimeoutExpired: it took more than so many seconds, and was killed.
    """
    command = [sys.executable, str(Path(__file__).with_name(name)), *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds)
    return json.loads(done.stdout.splitlines()[-1])
