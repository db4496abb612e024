"""Whatever is on the command line or in a run folder: a run, or one line that says what is wrong."""

import copy
import json
import random
import shutil
import string
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import NEW_RUN, SMALL, contents

import vecac.evaluate
import vecac.train
from vecac.config import Config
from vecac.config_rules import flag
from vecac.recording import checkpoint
from vecac.train import TrainOptions

FUZZED = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
AT_LENGTH = settings(FUZZED, max_examples=1000, derandomize=False)

TINY = {
    **{"total_timesteps": 60, "num_envs": 2, "n_rollout": 3, "quiet": True, **SMALL},
    **{"eval_episodes": 2, "log_interval": 20},
}
NUMBERS = st.one_of(
    st.integers(-3, 40), st.floats(), st.integers(), st.sampled_from([2**31, 2**63, -1, 0, 1e308, 1e-320])
)
WORDS = st.one_of(
    st.text(max_size=20), st.sampled_from(["auto", "None", "", "..", "cpu", "CartPole-v1", "-1", "--"])
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
# Sizes that would only exhaust the machine, which is the user's to avoid, are left out.
HEAVY = ("num_envs", "n_rollout", "hidden_sizes", "total_timesteps", "eval_episodes", "num_threads")


class Ended:
    stop_reason = "finished"


def is_bearable(name, value):
    if name in HEAVY:
        sizes = np.ravel(np.array(value, object))
        return all(not isinstance(size, int | float) or size <= 40 for size in sizes)
    return name not in ("log_dir", "step_timeout", "start_method")


def ending(main, arguments, capsys):
    """Run a command: its exit code, after a check that it ended as commands may."""
    try:
        code = main(arguments)
    except SystemExit as error:  # tyro's, for what it cannot parse
        code = error.code
    stdout, stderr = capsys.readouterr()
    assert code in (0, 1, 2), (arguments, code)
    assert "Traceback" not in stdout + stderr
    errors = [line for line in stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == (code != 0) or not errors, stderr
    if code != 0:
        assert stderr.strip()
    return code


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A tiny run, finished."""
    result = vecac.train.train(Config(**TINY, engine="sync", log_dir=str(tmp_path_factory.mktemp("logs"))))
    return result.run_dir


def resumed(run_dir, change, capsys):
    """Resume a copy of the run that something has been done to; nothing may change if that is refused."""
    copied = Path("resumed")
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(run_dir, copied)
    change(copied)
    before = contents(copied)
    code = ending(vecac.train.main, ["--resume", str(copied), "--total-timesteps", "90"], capsys)
    if code == 2:
        assert contents(copied) == before
    return code


def command_lines():
    flags = st.sampled_from(
        [flag(name) for name in TrainOptions.__dataclass_fields__] + ["--no-quiet", "--nonsense"]
    )
    value = st.one_of(NUMBERS.map(str), WORDS)
    typed = st.tuples(flags, st.one_of(st.just(()), st.tuples(value), st.tuples(value, value)))
    return st.lists(typed, max_size=4).map(
        lambda pairs: [word for name, rest in pairs for word in (name, *rest)]
    )


def check_command_line(arguments, capsys, monkeypatch):
    ran = []
    monkeypatch.setattr(vecac.train, "train", lambda config, stop: ran.append(config) or Ended)
    code = ending(vecac.train.main, arguments, capsys)
    is_question = {"--help", "-h", "--version"} & set(arguments)
    assert (code == 0) == bool(ran or is_question)


@given(arguments=command_lines())
@FUZZED
def test_command_lines_make_a_config_or_a_clean_error(arguments, elsewhere, capsys, monkeypatch):
    check_command_line(arguments, capsys, monkeypatch)


@pytest.mark.slow
@given(arguments=command_lines())
@AT_LENGTH
def test_command_lines_at_length(arguments, elsewhere, capsys, monkeypatch):
    check_command_line(arguments, capsys, monkeypatch)


def settings_of_runs():
    fields = st.sampled_from([*Config.__dataclass_fields__])
    value = st.one_of(NUMBERS, WORDS, st.booleans(), st.none(), st.lists(NUMBERS | WORDS, max_size=2))
    engines = st.sampled_from(["sync", "vector", "fused", "auto"])
    return st.tuples(st.dictionaries(fields, value, max_size=2), engines)


def check_a_run(changes, engine, capsys, monkeypatch):
    changes = {name: value for name, value in changes.items() if is_bearable(name, value)}
    values = NEW_RUN | TINY | {"engine": engine} | changes
    monkeypatch.setattr("vecac.shell.command_line.parse_flags", lambda *_: values)
    ending(vecac.train.main, [], capsys)
    assert not [path for path in Path().iterdir() if path.name != "logs"]


@given(options=settings_of_runs())
@FUZZED
def test_settings_make_a_run_or_a_clean_error(options, elsewhere, capsys, monkeypatch):
    check_a_run(*options, capsys, monkeypatch)


@pytest.mark.slow
@given(options=settings_of_runs())
@AT_LENGTH
def test_settings_at_length(options, elsewhere, capsys, monkeypatch):
    check_a_run(*options, capsys, monkeypatch)


def check_config_json(changes, run_dir, capsys):
    def change(folder):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    if all(is_bearable(name, value) for name, value in changes.items()):
        resumed(run_dir, change, capsys)


config_jsons = st.dictionaries(
    st.sampled_from([*Config.__dataclass_fields__, "device_requested", "versions", "resumptions"]),
    JSON,
    max_size=2,
)


@given(changes=config_jsons)
@FUZZED
def test_a_config_json_of_any_values(changes, run_dir, elsewhere, capsys):
    check_config_json(changes, run_dir, capsys)


@pytest.mark.slow
@given(changes=config_jsons)
@AT_LENGTH
def test_a_config_json_of_any_values_at_length(changes, run_dir, elsewhere, capsys):
    check_config_json(changes, run_dir, capsys)


@given(data=st.one_of(st.binary(max_size=50), JSON.map(json.dumps).map(str.encode), st.just(b"[" * 10**5)))
@FUZZED
def test_a_config_json_that_is_something_else(data, run_dir, elsewhere, capsys):
    assert resumed(run_dir, lambda folder: (folder / "config.json").write_bytes(data), capsys) == 2
    assert ending(vecac.evaluate.main, ["resumed"], capsys) == 2


def test_a_checkpoint_cut_short_or_with_a_flipped_bit(run_dir, elsewhere, capsys):
    """200 lengths and 400 bits: sampled anew in each run, and told by the seed if one gets through."""
    seed = random.randrange(10**9)
    rng = random.Random(seed)
    data = (run_dir / "checkpoints" / "latest.pt").read_bytes()
    flipped = rng.sample(range(8 * len(data)), 400)
    damaged = [data[:size] for size in rng.sample(range(len(data)), 200)]
    damaged += [
        data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :] for bit in flipped
    ]
    for content in damaged:
        code = resumed(run_dir, lambda f, c=content: (f / "checkpoints" / "latest.pt").write_bytes(c), capsys)
        assert code == 2, f"seed {seed}"


def leaves(tree, path=()):
    """The paths of every value in a checkpoint."""
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, list | tuple):
        items = enumerate(tree)
    else:
        return [path]
    return [path, *(leaf for key, item in items for leaf in leaves(item, (*path, key)))]


def replaced(tree, path, value):
    if not path:
        return value
    if isinstance(tree, dict):
        return {
            key: replaced(item, path[1:], value) if key == path[0] else item for key, item in tree.items()
        }
    items = [replaced(item, path[1:], value) if i == path[0] else item for i, item in enumerate(tree)]
    return type(tree)(items)


def wrong_values(rng, old):
    """Values of other types and shapes, and numbers that nobody expects."""
    candidates = [
        None,
        -1,
        2**70,
        1e300,
        float("nan"),
        "text",
        [],
        {},
        (),
        True,
        torch.zeros(0),
        torch.ones(3, 3),
    ]
    if isinstance(old, torch.Tensor):
        candidates += [old[:1] if old.ndim else old[None], old[None], old.float(), old.long(), -old.double()]
        if old.is_floating_point():
            candidates += [old * float("nan"), old * 1e30]
    return rng.choice(candidates)


def check_wrong_values(engine, learner, seeds, tmp_path, capsys):
    config = Config(**TINY, engine=engine, learner=learner, log_dir=str(tmp_path / "first"))
    first = vecac.train.train(config)
    content = checkpoint.load(first.run_dir / "checkpoints" / "latest.pt")
    paths = leaves(content)
    codes = set()
    for seed in seeds:
        rng = random.Random(seed)
        path = rng.choice(paths)
        old = content
        for key in path:
            old = old[key]
        wrong = replaced(copy.deepcopy(content), path, wrong_values(rng, old))
        if not isinstance(wrong, dict):
            continue
        version = wrong.pop("format_version", 1)

        def change(folder, wrong=wrong, version=version):
            data = {**wrong, "format_version": version}
            checkpoint.save(folder / "checkpoints" / "latest.pt", data)

        codes.add(resumed(first.run_dir, change, capsys))
        ending(vecac.evaluate.main, ["resumed", "--episodes", "1"], capsys)
    assert 2 in codes


ENGINES = [("sync", "torch"), ("sync", "compiled"), ("vector", "compiled"), ("fused", "compiled")]


@pytest.mark.parametrize(("engine", "learner"), ENGINES)
def test_checkpoints_with_one_wrong_value(engine, learner, elsewhere, tmp_path, capsys):
    check_wrong_values(engine, learner, range(20), tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "learner"), ENGINES)
def test_checkpoints_with_one_wrong_value_at_length(engine, learner, elsewhere, tmp_path, capsys):
    check_wrong_values(engine, learner, range(20, 420), tmp_path, capsys)


@given(name=st.text(string.printable + "é/\\\0", min_size=1, max_size=30))
@FUZZED
def test_run_names_cannot_leave_the_log_folder(name, elsewhere, capsys, monkeypatch):
    options = TINY | {"engine": "fused", "eval_episodes": 0, "total_timesteps": 1}
    values = {**options, "run_name": name, **NEW_RUN}
    monkeypatch.setattr("vecac.shell.command_line.parse_flags", lambda *_: values)
    before = {*Path("logs").glob("*")}
    code = ending(vecac.train.main, [], capsys)
    made = {*Path("logs").glob("*")} - before
    assert len(made) == (code == 0)
    assert [path.name for path in Path().iterdir()] in (["logs"], [])
