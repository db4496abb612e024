"""python tests/documents.py: writes what pages take from code and records: tables and the file tree.

Each stands in its page between `<!-- name: ... -->` and `<!-- end of name -->`.
"""

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
import tomllib
from functools import partial
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import figures
import tyro
from test_layout import floor, module_of

from vecac.compare import CompareOptions
from vecac.config import GROUPS
from vecac.config_rules import flag
from vecac.engines.capabilities import REQUIREMENTS
from vecac.evaluate import EvaluateOptions
from vecac.export import ExportOptions
from vecac.plot import PlotOptions
from vecac.recording.meanings import METRICS
from vecac.shell.run_list import ListOptions
from vecac.study import StudyOptions
from vecac.train import TrainOptions

ROOT = Path(__file__).parents[1]
WIDTH = 110
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/**/*.md"), ROOT / "logs/README.md"]
)


def flag_table(options, groups):
    """In groups, a row for each field of a dataclass: flag, default, and the docstring below it."""
    hints, notes = get_type_hints(options), get_type_hints(options, include_extras=True)
    source = "".join(inspect.getsource(kind) for kind in options.__mro__ if kind is not object)
    rows = ["| flag | default | |", "| --- | --- | --- |"]
    for field in dataclasses.fields(options):
        if field.name in groups:
            rows.append(f"| **{groups[field.name]}** | | |")
        value = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if tyro.conf.Positional in get_args(notes[field.name]):
            continue
        name, hint = flag(field.name), hints[field.name]
        choices = [kind for kind in (hint, *get_args(hint)) if get_origin(kind) is Literal]
        if choices:
            name += f" {{{','.join(get_args(choices[0]))}}}"
        if hint is bool and field.default:
            name += f", --no-{name[2:]}"
        default = " ".join(map(str, value)) or "none" if isinstance(value, tuple | dict) else value
        if type(value) in (int, float):
            default = f"{value:,}" if isinstance(value, int) else f"{value:g}"
        default = {True: "on", False: "off", None: "none", dataclasses.MISSING: "needed"}.get(
            default, default
        )
        doc = re.search(rf'\n    {field.name}: .*\n    """(.*)"""', source).group(1)
        rows.append(f"| `{name}` | {default} | {doc} |")
    return rows


def own_flags(options, base):
    """The table of what `options` has beyond the dataclass that it extends."""
    inherited = {flag(name) for name in base.__dataclass_fields__}
    return [row for row in flag_table(options, {}) if re.split(r"[` ,]+", row)[1] not in inherited]


def metric_table():
    rows = [f"| `{tag}` | {meaning.replace('|', chr(92) + '|')} |" for tag, meaning in METRICS.items()]
    return ["| tag | meaning |", "| --- | --- |", *rows]


def requirement_table():
    rows = ["| choice | what it does |", "| --- | --- |"]
    for choice, needs in REQUIREMENTS.items():
        rows.append(f"| `{choice}` | {'; '.join(need.what for need in needs) or 'runs anything'} |")
    return rows


def sentence(path):
    """The first paragraph of a file's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


def tree():
    """Every file of vecac and benchmarks, with its floor and its sentence."""
    lines = ["```"]
    for folder in ("vecac", "benchmarks"):
        lines += folder_lines(ROOT / folder, 0)
    return [*lines, "```"]


def folder_lines(folder, depth):
    """The folder, its files, then its folders, those of upper floors first."""
    init = folder / "__init__.py"
    lines = entry(f"{folder.name}/", init if init.exists() else None, depth)
    for path in sorted(folder.glob("*.py"), key=lambda path: (-(height(path) or 0), path.name)):
        if path != init:
            lines += entry(path.name, path, depth + 1)
    folders = [path.parent for path in folder.glob("*/__init__.py")]
    for inner in sorted(folders, key=lambda path: (-height(path / "__init__.py"), path.name)):
        lines += folder_lines(inner, depth + 1)
    return lines


def entry(name, path, depth):
    """One file's lines in the tree."""
    number = height(path) or " "  # all of them are above vecac itself
    begin = f"{'  ' * depth + name:<36}{number}  "
    text = sentence(path) if path else "what is measured, and beside what"
    return textwrap.wrap(text, WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin))


def height(path):
    """A file's floor; None outside vecac."""
    is_ours = path is not None and path.is_relative_to(ROOT / "vecac")
    return floor(module_of(path)) if is_ours else None


GENERATED = {
    "docs/reference.md": {
        "train": lambda: flag_table(TrainOptions, GROUPS),
        "evaluate": lambda: flag_table(EvaluateOptions, {}),
        "study": lambda: own_flags(StudyOptions, TrainOptions),
        "compare": lambda: flag_table(CompareOptions, {}),
        "runs": lambda: flag_table(ListOptions, {}),
        "export": lambda: flag_table(ExportOptions, {}),
        "plot": lambda: flag_table(PlotOptions, {}),
        "requirements": requirement_table,
        "metrics": metric_table,
    },
    "docs/architecture.md": {"tree": tree},
    "docs/evidence.md": {
        **{name: partial(figures.study, name) for name in figures.STUDIES},
        "time": figures.study_times,
        "peers": figures.study_peers,
    },
    "docs/scores.md": {"scores": figures.scores, "ppo": figures.against_ppo},
    "README.md": {"speed": lambda: figures.engines(short=True), "scores": figures.scores_in_short},
    "docs/performance.md": {
        "engines": lambda: figures.engines(short=False),
        "beyond": figures.beyond_defaults,
        "peers": figures.peers,
        "solve": figures.solve,
    },
}


SETTINGS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("vecac/settings/*.toml"))
"""Whose comments are generated."""


def renewed(page):
    """A page's text with what is generated in it as it should be."""
    text = (ROOT / page).read_text()
    if page in SETTINGS:
        said = [line for line in text.splitlines() if not line.startswith("#")]
        return "\n".join([*figures.scores_of(Path(page).stem), *said, ""])
    for name, make in GENERATED[page].items():
        begin, end = re.search(rf"<!-- {name}: .*-->\n", text), f"<!-- end of {name} -->"
        head, tail = text[: begin.end()], text[text.index(end) :]
        text = "\n".join([head, *make(), "", tail])
    return text


def extras():
    """The names in pyproject.toml that pip may be asked for in brackets."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return set(project["optional-dependencies"])


def main():
    for page in (*GENERATED, *SETTINGS):
        (ROOT / page).write_text(renewed(page))
    return 0


if __name__ == "__main__":
    sys.exit(main())
