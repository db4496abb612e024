"""Warnings as they are for users: one plain line each."""

import re
import sys
from typing import Any


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning without our file's name and source line; takes the place of warnings.showwarning."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(message))  # Gymnasium colours its own
    print("warning: " + " ".join(plain.split()), file=sys.stderr, flush=True)
