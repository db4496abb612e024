"""Whether someone works in this process, at a Python prompt or in a notebook, who goes on after a run."""

import sys


def in_notebook() -> bool:
    """Whether this is the process behind a notebook: a Jupyter kernel, Colab's and VS Code's too."""
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_ipython is not None and hasattr(get_ipython(), "kernel")


def is_interactive() -> bool:
    """Whether there is a prompt or a notebook, and so more to lose than a run."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive) or in_notebook()
