"""The pages say what the code says, every command on them is one, and every link leads somewhere."""

import ast
import dataclasses
import importlib
import json
import re
import shlex
from pathlib import Path

import documents
import pytest
from documents import GENERATED, PAGES, ROOT, SETTINGS, extras, renewed
from support import run

from vecac import train
from vecac.__main__ import COMMANDS
from vecac.compare import CompareOptions
from vecac.config import ALIASES, GROUPS, Config
from vecac.config_rules import flag
from vecac.evaluate import EvaluateOptions
from vecac.export import ExportOptions
from vecac.plot import PlotOptions
from vecac.runs.run_folder import Result
from vecac.shell.flags import parse_flags
from vecac.shell.run_list import ListOptions
from vecac.shell.summary import describe_start
from vecac.studies.variation import parse_variations
from vecac.study import StudyOptions

README = (ROOT / "README.md").read_text()
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMES = tuple("python pip tensorboard pytest ruff mypy pre-commit vecac-train vecac-study".split())
OPTIONS = {
    "vecac.train": train.TrainOptions,
    "vecac.evaluate": EvaluateOptions,
    "vecac.study": StudyOptions,
    "vecac.compare": CompareOptions,
    "vecac.export": ExportOptions,
    "vecac.plot": PlotOptions,
    "vecac.runs": ListOptions,
}
TRACKERS = {"wandb", "mlflow", "trackio"}  # test_trackers.py runs their scripts
FOREIGN_FLAGS = {"--help", "--version", "--logdir", "--check", "--norm-adv"}


def prose(page):
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text())


def commands(page):
    """Every command in a page: lines that stand alone, and what is in backticks."""
    lines = re.findall(r"^    (\S.*)$", prose(page), re.MULTILINE)
    lines += re.findall(r"`([^`\n]+)`", prose(page))
    lines += re.findall(r"^## (python .*)$", prose(page), re.MULTILINE)
    for line in lines:
        for part in line.split(" && "):
            words = shlex.split(part, comments=True) if part.startswith(NAMES) else []
            if words and words[0] in NAMES:
                yield words


COMMANDS_ON_PAGES = sorted(
    {(page.relative_to(ROOT).as_posix(), *words) for page in PAGES for words in commands(page)}
)


def parse(options, arguments, groups=None):
    """As the command itself does before it works; values have to be good as well."""
    return options(**parse_flags(options, "python", arguments, None, groups or {}))


def parse_python(words):
    if words[1:3] == ["-m", "vecac"]:
        assert not words[3:] or words[3] in COMMANDS
    elif words[1:2] == ["-m"]:
        options = OPTIONS[words[2]]
        # A seed is a number, whatever stands for it on the page.
        arguments = ["1" if word in ("S",) else word for word in words[3:]]
        if arguments:
            values = parse(options, arguments, GROUPS if issubclass(options, Config) else {})
            assert parse_variations(getattr(values, "vary", ())) or "--vary" not in arguments
    else:
        program = ROOT / words[1]
        assert program.is_file()
        if program.parent.name == "benchmarks" and words[2:]:
            parse(importlib.import_module(program.stem).Options, words[2:])


def parse_pip(words):
    """By pip's own parser; the files and extras exist."""
    pytest.importorskip("pip")
    from pip._internal.commands import create_command

    options, _ = create_command(words[1]).parse_args(words[2:])
    assert all((ROOT / file).is_file() for file in options.constraints)
    for target in options.editables:
        assert set(re.findall(r"\w+", target)) <= extras()


def parse_tensorboard(words):
    from tensorboard.plugins.core.core_plugin import CorePluginLoader
    from tensorboard.program import TensorBoard

    TensorBoard([CorePluginLoader()]).configure(tuple(words))


def parse_check(words):
    """Lint, types and tests as .ci/run has them, or with a marker that there is."""
    if words[:2] == ["pytest", "-m"]:
        assert f'"{words[2]}: ' in (ROOT / "pyproject.toml").read_text()
    elif len(words) > 1:
        assert shlex.join(words) in (ROOT / ".ci/run").read_text().splitlines()


def parse_script(words):
    assert f"\n{words[0]} = " in (ROOT / "pyproject.toml").read_text()


PARSERS = {
    "python": parse_python,
    "pip": parse_pip,
    "tensorboard": parse_tensorboard,
    "vecac-train": parse_script,
    "vecac-study": parse_script,
    "pre-commit": lambda words: (ROOT / ".pre-commit-config.yaml").is_file(),
}


@pytest.mark.parametrize("words", COMMANDS_ON_PAGES, ids=" ".join)
def test_a_command_is_one_that_there_is(words, monkeypatch, tmp_path):
    """Up to where it would begin to work."""
    import scores
    import time_to_solve

    for module in (scores, time_to_solve):
        monkeypatch.setattr(module, "find_spec", lambda name: name)  # whatever is installed here
    monkeypatch.chdir(tmp_path)  # where --json may write
    (tmp_path / "benchmarks/records").mkdir(parents=True)
    PARSERS.get(words[1], parse_check)(list(words[1:]))


def test_commands_are_found():
    """Each kind, or the test above would test nothing."""
    assert {words[1] for words in COMMANDS_ON_PAGES} >= {*NAMES}
    assert (
        "README.md",
        "python",
        "-m",
        "vecac.train",
        "--num-envs",
        "16",
        "--device",
        "cuda",
    ) in COMMANDS_ON_PAGES
    with pytest.raises(Exception, match="--num-env "):
        parse_python(["python", "-m", "vecac.train", "--num-env", "3"])


def test_the_two_commands_stand_as_promised():
    assert "\n    pip install -c constraints.txt -e . && python -m vecac.train --num-envs 16\n" in README
    assert "\n    pip install -c constraints.txt -e '.[dev]' && pytest\n" in README


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_flag_that_a_page_names_is_one(page):
    names = {flag(field.name) for options in OPTIONS.values() for field in dataclasses.fields(options)}
    for benchmark in ("steps_per_sec", "time_to_solve", "peers", "learning_curve", "scores"):
        fields = dataclasses.fields(importlib.import_module(benchmark).Options)
        names |= {flag(field.name) for field in fields}
    names |= {f"--no-{name[2:]}" for name in names} | {flag(alias) for alias in ALIASES}
    mentioned = re.findall(r"(?<![\w-])--[a-z][a-z-]+", prose(page))
    assert set(mentioned) <= names | FOREIGN_FLAGS


@pytest.mark.parametrize("page", [*GENERATED, *SETTINGS])
def test_what_is_taken_from_the_code_is_as_the_code_has_it(page):
    assert (ROOT / page).read_text() == renewed(page), "python tests/documents.py writes it anew"


def test_the_tree_names_every_file_once():
    """Found in the page by itself, not by what wrote it."""
    (tree,) = re.findall(
        r"^```\n(vecac/.*?)```", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE | re.DOTALL
    )
    named, folders = [], []
    for indent, name in re.findall(r"^( *)([\w.]+(?:/|\.py)) ", tree, re.MULTILINE):
        del folders[len(indent) // 2 :]
        if name.endswith("/"):
            folders.append(name)
        else:
            named.append("".join([*folders, name]))
    files = [*ROOT.glob("vecac/**/*.py"), *ROOT.glob("benchmarks/*.py")]
    expected = [path.relative_to(ROOT).as_posix() for path in files if path.name != "__init__.py"]
    assert sorted(named) == sorted(expected)


@pytest.mark.parametrize("path", sorted(ROOT.glob("vecac/**/*.py")), ids=lambda path: path.name)
def test_every_file_has_a_sentence_for_the_tree(path):
    text = documents.sentence(path)
    assert text.endswith((".", "?")) and len(text) < 120


def anchors(page):
    """GitHub's names of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page):
    for path, anchor in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", prose(page)):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_test_file_that_is_named_is_there(page):
    names = {path.name for path in ROOT.glob("tests/**/*.py")}
    assert set(re.findall(r"`(test_\w+\.py)`", prose(page))) <= names


def test_the_readme_is_short():
    assert README.count("\n") <= 130


def test_the_readme_shows_what_a_run_says():
    (said,) = [text for _, text in FENCE.findall(README) if text.startswith("vecac ")]
    (folder,) = re.findall(r"^run folder: (.*)$", said, re.MULTILINE)
    start = describe_start(Config(learner="compiled", num_threads=1), "cpu", Path(folder))
    assert start in said
    assert f"play it again: python -m vecac.evaluate {folder}\n" in said


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_python_on_a_page_compiles_and_imports_what_there_is(page):
    for language, code in FENCE.findall(page.read_text()):
        if language == "python":
            module = ast.parse(code)
            nodes = [node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)]
            module.body = [node for node in nodes if node.names[0].name not in TRACKERS]
            imported = {}
            exec(compile(module, page.name, "exec"), imported)
            names = [alias.asname or alias.name for node in module.body for alias in node.names]
            assert {name.partition(".")[0] for name in names} <= imported.keys()


def test_the_readme_s_example_is_of_fields_that_there_are():
    (code,) = [code for language, code in FENCE.findall(README) if language == "python"]
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Config":
            Config(**{keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords})
    asked = set(re.findall(r"result\.(\w+)", code))
    assert asked and asked <= {field.name for field in dataclasses.fields(Result)}


def test_the_environment_of_ones_own_is_a_whole_module_that_learns(monkeypatch, tmp_path):
    """Pasted as it stands, and trained by the command below it, which README names too."""
    text = (ROOT / "docs/environments.md").read_text()
    (module,) = re.findall(r"```python\n(import math\n.*?)```", text, re.DOTALL)
    (command,) = re.findall(r"^    python (-m vecac.train --env-id my_module:Swing.*)$", text, re.MULTILINE)
    assert f"\n    python {command}\n" in README
    (tmp_path / "my_module.py").write_text(module)
    monkeypatch.chdir(tmp_path)
    code, _, stderr = run(*command.split())
    assert (code, stderr) == (0, "")
    (run_dir,) = (tmp_path / "logs").iterdir()
    assert json.loads((run_dir / "result.json").read_text())["eval_return_mean"] > 150


def test_the_example_of_the_fastest_engine_learns(monkeypatch, tmp_path):
    (flags,) = re.findall(r"^    python -m vecac.train (--engine auto [^#]*)", README, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    assert train.main([*flags.split(), "--eval-episodes", "0", "--quiet"]) == 0
    (run_dir,) = (tmp_path / "logs").iterdir()
    assert json.loads((run_dir / "result.json").read_text())["last_100_return_mean"] > 400


def test_the_workflow_runs_what_ci_runs():
    """Line by line, as no YAML reader need be there; pre-commit has ruff and mypy of the dev extra."""
    checks = (ROOT / ".ci/run").read_text().partition("-e '.[dev]'\n")[2].splitlines()
    assert checks == ["pytest", "ruff check .", "ruff format --check .", "mypy"]
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert re.findall(r"run: (.*)", workflow)[-4:] == checks
    hooks = re.findall(r"entry: (.*)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert hooks == ["ruff check --force-exclude", "ruff format --force-exclude", "mypy"]


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".pre-commit-config.yaml"])
def test_yaml_files_are_yaml(path):
    yaml = pytest.importorskip("yaml", reason="no YAML reader is installed")
    assert yaml.safe_load((ROOT / path).read_text()).keys() & {"jobs", "repos"}
