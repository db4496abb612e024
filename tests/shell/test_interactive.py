import sys
from types import SimpleNamespace

import pytest

from vecac.shell.interactive import in_notebook, is_interactive


def ipython(shell):
    """The module, with the shell that runs the process."""
    return SimpleNamespace(get_ipython=lambda: shell)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (ipython(SimpleNamespace(kernel=object())), True),
        (ipython(SimpleNamespace()), False),  # IPython on a terminal
        (ipython(None), False),  # imported, and no more
        (SimpleNamespace(), False),  # being imported
    ],
)
def test_a_notebook_is_where_ipython_has_a_kernel(monkeypatch, module, expected):
    monkeypatch.setitem(sys.modules, "IPython", module)
    assert in_notebook() == is_interactive() == expected


def test_a_test_is_no_notebook_and_nobody_types_into_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
    assert not is_interactive()


def test_a_prompt_is_interactive(monkeypatch):
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert is_interactive()
    assert not in_notebook()
