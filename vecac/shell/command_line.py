"""What every command does around its work: parse flags, explain errors, choose the exit code."""

import io
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vecac.errors import RunFault, UsageError
from vecac.notices import show_warning
from vecac.shell.flags import parse_flags
from vecac.version import __version__

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def run_command(
    options: type,
    prog: str,
    argv: Sequence[str] | None,
    work: Callable[[dict[str, Any]], int],
    defaults: Callable[[dict[str, Any]], Any] = lambda values: None,
    groups: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Parse argv as `parse_flags` does, and work on the values; returns the exit code.

    What `defaults` makes of the values, if it is not None, takes the place of the dataclass's own
    defaults: argv is parsed once more.

    An error that vecac explains is one line on standard error: exit code 2 for what the user gave,
    1 for a run that failed. tyro's own messages, on values that it cannot parse, exit with 2.
    Anything else is a defect, ours or the environment's, and keeps its traceback.
    """
    for stream in (sys.stdout, sys.stderr):  # a folder's name may hold what the terminal's encoding lacks
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    here = str(Path.cwd())
    if here not in sys.path:  # so that module:Id-v0 is found as under python -m
        sys.path.insert(0, here)
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["--version"]:
        print(f"vecac {__version__}")
        raise SystemExit(0)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            values = parse_flags(options, prog, arguments, None, groups)
            if (default := defaults(values)) is not None:
                values = parse_flags(options, prog, arguments, default, groups)
            code = work(values)
            sys.stdout.flush()
            return code
    except BrokenPipeError:  # whoever read along, head for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (UsageError, RunFault) as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return BAD_INPUT if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:  # before the run, or the evaluation, took charge of signals
        return INTERRUPTED
