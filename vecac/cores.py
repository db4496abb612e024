"""How much of the machine this process may use."""

import os


def usable_cores() -> int:
    """CPUs that this process, and so each that it starts, may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
