"""README's tables say what the code says. Run this file to print them anew."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

from support import run

from vecac import config, train
from vecac.config import GROUPS, flag
from vecac.recording.metrics import METRICS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def flag_table():
    """In groups, a row for each field of Config: flag, default, and the docstring below it in config.py."""
    hints = get_type_hints(train.TrainOptions)
    source = "".join(Path(module.__file__).read_text() for module in (config, train))
    rows = ["| flag | default | |", "| --- | --- | --- |"]
    for field in dataclasses.fields(train.TrainOptions):
        if field.name in GROUPS:
            rows.append(f"| **{GROUPS[field.name]}** | | |")
        name, hint = flag(field.name), hints[field.name]
        if get_origin(hint) is Literal:
            name += f" {{{','.join(get_args(hint))}}}"
        if hint is bool and field.default:
            name += f", --no-{name[2:]}"
        default = {True: "on", False: "off", None: "none"}.get(field.default, field.default)
        if type(field.default) in (int, float):
            default = f"{field.default:,}" if isinstance(field.default, int) else f"{field.default:g}"
        doc = re.search(rf'\n    {field.name}: .*\n    """(.*)"""', source).group(1)
        rows.append(f"| `{name}` | {default} | {doc} |")
    return "\n".join(rows)


def metric_table():
    rows = ["| tag | meaning |", "| --- | --- |"]
    return "\n".join(
        rows + [f"| `{tag}` | {meaning.replace('|', chr(92) + '|')} |" for tag, meaning in METRICS.items()]
    )


def test_flags():
    assert flag_table() in README


def test_metrics():
    assert metric_table() in README


def test_tree_names_every_file_once():
    tree = README.partition("## The files")[2]
    for path in sorted((ROOT / "vecac").rglob("*.py")) + sorted((ROOT / "benchmarks").glob("*.py")):
        if path.name != "__init__.py":
            assert len(re.findall(rf"^ +{re.escape(path.name)} ", tree, re.MULTILINE)) == 1, path.name


def test_the_two_commands_stand_as_promised():
    assert "pip install -c constraints.txt -e . && python -m vecac.train --num-envs 16" in README
    assert "pip install -c constraints.txt -e '.[dev]' && pytest" in README


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_environment_of_ones_own_is_a_whole_module_that_learns(monkeypatch, tmp_path):
    """Pasted as it stands, and trained by the command below it."""
    (code,) = re.findall(r"```python\n(import math\n.*?)```", README, re.DOTALL)
    (command,) = re.findall(r"^    python (-m vecac.train --env-id my_module:Swing.*)$", README, re.MULTILINE)
    (tmp_path / "my_module.py").write_text(code)
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


if __name__ == "__main__":
    print(flag_table(), metric_table(), sep="\n\n")
