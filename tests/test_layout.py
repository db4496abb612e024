"""Imports run downwards: a file may use files of its own floor, without circles, and the floors below."""

import ast
import re
from pathlib import Path

import vecac.transition

PACKAGE = Path(vecac.__file__).parent
TESTS = Path(__file__).parent
COMMANDS = 8
FLOORS = {
    "vecac.errors": 1,
    "vecac.extras": 1,
    "vecac.seeding": 1,
    "vecac.keywords": 1,
    "vecac.notices": 1,
    "vecac.plain": 1,
    "vecac.transition": 1,
    "vecac.config": 1,
    "vecac.cores": 1,
    "vecac.actions": 1,
    "vecac.config_parts": 1,
    "vecac.config_rules": 1,
    "vecac.signals": 1,
    "vecac.spelling": 1,
    "vecac.version": 1,
    "vecac.algorithm": 1,
    "vecac.kernels": 1,
    "vecac.environments": 2,
    "vecac.recording": 2,
    "vecac.learners": 3,
    "vecac.engines": 4,
    "vecac.runs.__main__": COMMANDS,  # python -m vecac.runs: the folder takes the name of a file at the top
    "vecac.runs": 5,
    "vecac.studies": 6,
    "vecac.exports": 6,
    "vecac.shell": 7,
}
NO_LOGIC = ("__init__", "contracts", "config_parts", "errors", "signals", "transition", "version")
HANDS_ON = PACKAGE / "runs/__main__.py"
"""To shell/run_list.py, whose tests run it."""
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor(module):
    """The package itself, which has `load`, is used by nobody, as commands are."""
    room = next((room for room in FLOORS if module == room or module.startswith(f"{room}.")), None)
    return FLOORS[room] if room else COMMANDS


MODULES = {module_of(path): path for path in FILES}


def imports(path):
    """Modules of ours that the file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names.append(node.module)
            if any(name in MODULES for name in names[:-1]):
                names.pop()  # from vecac.recording import checkpoint does not import the folder itself
        yield from (name for name in names if name in MODULES)


def test_no_file_imports_from_a_floor_above():
    wrong = [
        f"{module} imports {used}"
        for module, path in MODULES.items()
        for used in imports(path)
        if floor(used) > floor(module)
    ]
    assert not wrong


def test_there_is_no_circle():
    graph = {module: set(imports(path)) for module, path in MODULES.items()}
    while free := [module for module, used in graph.items() if not used & graph.keys()]:
        for module in free:
            del graph[module]
    assert not graph


def test_what_workers_import_knows_no_torch():
    seen, waiting = set(), ["vecac.environments.worker"]
    while waiting:
        module = waiting.pop()
        seen.add(module)
        waiting += set(imports(MODULES[module])) - seen
    for module in seen:
        nodes = list(ast.walk(ast.parse(MODULES[module].read_text())))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
        assert "torch" not in {name.partition(".")[0] for name in names}


def test_files_and_functions_stay_readable():
    for path in [*FILES, *TESTS.rglob("*.py"), *PACKAGE.parent.glob("benchmarks/*.py")]:
        text = path.read_text()
        assert text.count("\n") <= 300, f"{path.name} has grown"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                length = node.end_lineno - node.lineno + 1
                most = 150 if isinstance(node, ast.ClassDef) else 49
                assert length <= most, f"{path.name}: {node.name} has {length} lines"


def test_few_rooms_receive_the_whole_config():
    """Studies deal them out."""
    users = [
        path
        for path in FILES
        if path.parent.name != "studies"
        and re.search(r"^ *from vecac.config import .*\bConfig\b", path.read_text(), re.M)
    ]
    assert len(users) <= 16, users


def test_every_module_has_its_test_file_in_the_room_of_the_same_name():
    for path in FILES:
        room = path.relative_to(PACKAGE).parent
        test = TESTS / room / f"test_{path.stem.strip('_')}.py"
        assert path.stem in NO_LOGIC or path == HANDS_ON or test.exists(), test


def legend(text):
    """The letters after "Shapes:", each with its meaning."""
    found = re.search(r"^Shapes: ([^.;]*)[.;]", text, re.MULTILINE)
    items = re.split(r", (?:and )?", " ".join(found[1].split())) if found else []
    return {item[0]: item[1:] for item in items}


def test_a_shape_letter_means_one_thing():
    whole = legend(vecac.transition.__doc__)
    assert legend((PACKAGE.parent / "docs" / "architecture.md").read_text()) == whole
    for path in FILES:
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert "Shapes" not in docstring or legend(docstring), path
        assert legend(docstring).items() <= whole.items(), path
        for letters in re.findall(r"\b_?(?!mj)[a-z]\w*_((?:[A-Z]n?)+)\b", path.read_text()):
            assert set(letters) <= whole.keys(), (path, letters)
