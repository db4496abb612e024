"""docs/cartpole.ipynb: a notebook without outputs, whose code is Python, and which runs to its end."""

import ast
import json
import os
import re
from importlib import import_module
from importlib.util import find_spec

import pytest
from documents import ROOT
from support import ROOTS

PATH = ROOT / "docs/cartpole.ipynb"
CELLS = [
    (cell["cell_type"], "".join(cell["source"])) for cell in json.loads(PATH.read_text("utf-8"))["cells"]
]
CODE = [source for kind, source in CELLS if kind == "code"]


def plain(source):
    """A cell's code with IPython's own lines left out."""
    return re.sub(r"^( *)[%!].*$", r"\1pass", source, flags=re.MULTILINE)


def test_it_is_a_notebook_of_the_present_format():
    nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
    notebook = nbformat.read(PATH, as_version=nbformat.NO_CONVERT)
    assert notebook.nbformat == 4
    assert nbformat.validator.isvalid(notebook)


def test_it_is_stored_without_what_a_run_adds():
    for cell in json.loads(PATH.read_text("utf-8"))["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert not re.search(r"[\"' (]/\w+/|\\\\|[A-Z]:/", PATH.read_text("utf-8")), "a path of some machine"


@pytest.mark.parametrize("source", CODE, ids=range(len(CODE)))
def test_its_code_compiles_and_imports_what_there_is(source):
    """A name that is imported from a module is one of the module's, or a module of its own."""
    for node in ast.walk(ast.parse(plain(source))):
        if isinstance(node, ast.Import):
            assert all(find_spec(name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert all(hasattr(import_module(node.module), name.name) for name in node.names)


def test_it_begins_by_installing_what_is_missing():
    assert re.search(r'find_spec\("vecac"\) is None:\n    %pip install -q vecac\n', CODE[0])


def test_the_pages_that_it_names_are_there():
    text = "\n".join(source for kind, source in CELLS if kind == "markdown")
    named = re.findall(r"`((?:docs|vecac)/[\w./]+)`", text)
    assert len(named) == 5
    assert all((ROOT / name).exists() for name in named)


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """What each cell of code leaves, by a kernel that began in an empty folder."""
    nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel", reason="no Jupyter kernel is installed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, ROOTS)))
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "jupyter"))
    notebook = nbformat.read(PATH, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(
        notebook, kernel_name="python3", timeout=300, resources=where, coalesce_streams=True
    ).execute()
    return [cell["outputs"] for cell in notebook.cells if cell["cell_type"] == "code"]


def text_of(outputs):
    return "".join(output.get("text", "") for output in outputs)


@pytest.mark.slow
def test_it_runs_to_its_end(ran):
    assert max(len(outputs) for outputs in ran) <= 5
    texts = [text_of(outputs) for outputs in ran]
    compared = next(text for text in texts if text.startswith("plain loop"))
    solved = re.findall(r"^(\w+) .* times as many; solved after ([\d,]+) env steps", compared, re.MULTILINE)
    assert [name for name, _ in solved] == ["sync", "vector", "fused"]
    assert sum("play it again: " in text for text in texts) == 3
    kinds = {kind for outputs in ran for output in outputs for kind in output.get("data", {})}
    assert {"image/png", "text/html"} <= kinds  # the curves, and a result
    assert float(re.fullmatch(r"return (\d+)\n", texts[-1])[1]) >= 475
