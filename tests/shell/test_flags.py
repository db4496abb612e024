"""What may be typed as a flag, what is said of one that there is not, and where --help shows it."""

import dataclasses
import re
from itertools import chain
from types import SimpleNamespace

import pytest
import steps_per_sec
from support import explained, run

import vecac.evaluate
import vecac.train
from vecac.config import GROUPS, Config
from vecac.config_rules import flag
from vecac.errors import UsageError

pytestmark = pytest.mark.usefixtures("elsewhere")

INT_FLAGS = [flag(field.name) for field in dataclasses.fields(Config) if field.type is int] + ["--num-steps"]


@pytest.fixture
def parsed(monkeypatch):
    """The Config that flags make, which is not run."""

    def parsed(*arguments):
        seen = []
        monkeypatch.setattr(vecac.train, "_command", lambda values: seen.append(values) or 0)
        assert vecac.train.main(arguments) == 0
        return SimpleNamespace(**seen[0])

    return parsed


@pytest.mark.parametrize(
    ("typed", "number"),
    [("1e3", 1000), ("1_000", 1000), ("1000.0", 1000), ("1E+3", 1000), ("+7", 7), ("12.5e1", 125)],
)
@pytest.mark.parametrize("name", INT_FLAGS)
def test_a_whole_number_may_be_typed_in_any_way(parsed, name, typed, number):
    field = {"--num-steps": "n_rollout"}.get(name, name[2:].replace("-", "_"))
    value = getattr(parsed(name, "1e2" if field == "num_threads" else typed), field)
    assert value == (100 if field == "num_threads" else number)
    assert type(value) is int


def test_large_whole_numbers_stay_exact(parsed):
    assert parsed("--seed", "9007199254740993").seed == 2**53 + 1
    assert parsed("--total-timesteps", "3e9").total_timesteps == 3 * 10**9


@pytest.mark.parametrize("typed", ["1.5", "1e-3", "many", "1e999", "nan", "", "0x10", "1e5 ,"])
@pytest.mark.parametrize("name", INT_FLAGS)
def test_a_number_that_is_not_whole_is_refused_by_flag(capsys, name, typed):
    with pytest.raises(SystemExit) as ending:
        vecac.train.main([f"{name}={typed}"])
    assert ending.value.code == 2
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    said = " ".join(stderr.replace("│", " ").split())
    assert f"{name}: {typed!r} is not a whole number" in said or "--n-rollout: " in said


def test_optional_and_repeated_whole_numbers_are_typed_alike(monkeypatch):
    seen = []
    monkeypatch.setattr(
        vecac.evaluate, "_command", lambda values: seen.append(SimpleNamespace(**values)) or 0
    )
    monkeypatch.setattr(steps_per_sec, "_command", lambda options: seen.append(options) or 0)
    assert vecac.evaluate.main(["run", "--seed", "1e3", "--episodes", "2e1"]) == 0
    assert steps_per_sec.main(["--num-envs", "1e1", "1_000", "16.0"]) == 0
    assert (seen[0].seed, seen[0].episodes, seen[1].num_envs) == (1000, 20, (10, 1000, 16))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--lr 3", "--lr (did you mean --learning-rate?)"),
        ("--lr=3", "--lr (did you mean --learning-rate?)"),
        ("--n_envs 3", "--n_envs (did you mean --num-envs?)"),
        ("--n-envs 3", "--n-envs (did you mean --num-envs?)"),
        ("--env CartPole-v1", "--env (did you mean --env-id?)"),
        ("--env-name CartPole-v1", "--env-name (did you mean --env-id?)"),
        ("--n-steps 5", "--n-steps (did you mean --n-rollout?)"),
        ("--n_steps 5", "--n_steps (did you mean --n-rollout?)"),
        ("--total-steps 5", "--total-steps (did you mean --total-timesteps?)"),
        ("--timesteps 5", "--timesteps (did you mean --total-timesteps?)"),
        ("--n-timesteps 5", "--n-timesteps (did you mean --total-timesteps?)"),
        ("--cuda", "--cuda (did you mean --device?)"),
        ("--gae-lamda 0.9", "--gae-lamda (did you mean --td-lambda?)"),
        ("--exp-name a", "--exp-name (did you mean --run-name?)"),
        ("--learning-rat 3", "--learning-rat (did you mean --learning-rate?)"),
        ("--no-bootstrap", "--no-bootstrap (did you mean --no-bootstrap-truncated?)"),
        ("--lr 1 --seed 3 --env x", "--lr (did you mean --learning-rate?), --env (did you mean --env-id?)"),
        ("--wandb", "--wandb"),
        ("stray", "stray"),
        ("--num-envs 3 5", "5"),
    ],
)
def test_an_unknown_flag_is_suggested_the_right_one(capsys, arguments, said):
    message = explained(vecac.train.main(arguments.split()), *capsys.readouterr())
    assert message == f"unrecognized: {said}; --help shows every flag"


def test_a_command_suggests_its_own_flags(capsys):
    message = explained(vecac.evaluate.main(["run", "--n-eval-episodes", "3"]), *capsys.readouterr())
    assert message.startswith("unrecognized: --n-eval-episodes (did you mean --episodes?)")
    message = explained(vecac.evaluate.main(["run", "--run", "run", "--lr", "1"]), *capsys.readouterr())
    assert message.startswith("unrecognized: --run, --lr; ")
    message = explained(vecac.evaluate.main(["run", "another"]), *capsys.readouterr())
    assert message.startswith("unrecognized: another; ")


def test_help_shows_the_flags_in_their_groups():
    code, stdout, stderr = run("-m", "vecac.train", "--help")
    assert (code, stderr) == (0, "")
    _, *boxes = re.split(r"╭─ (.*?) ─+╮", stdout)
    shown = {
        title: re.findall(r"│ (?:--(?:num-steps|hidden-size|gae-lambda|keep) .*?, )?(--[a-z-]+)", box)
        for title, box in zip(boxes[::2], boxes[1::2], strict=True)
    }
    assert shown.pop("options") == []
    assert list(chain(*shown.values())) == [
        flag(field.name) for field in dataclasses.fields(vecac.train.TrainOptions)
    ]
    firsts = {flag(first): f"{title} options" for first, title in GROUPS.items()}
    assert {names[0]: title for title, names in shown.items()} == firsts


def test_a_flag_of_a_group_has_no_prefix(parsed, capsys):
    assert parsed("--gamma", "0.5").gamma == 0.5
    message = explained(vecac.train.main(["--algorithm.gamma", "0.5"]), *capsys.readouterr())
    assert message.startswith("unrecognized: --algorithm.gamma")


def test_a_field_that_config_has_not_is_suggested_the_right_one():
    with pytest.raises(UsageError, match=r"^Config has no field lr: did you mean learning_rate\?$"):
        Config(lr=1e-3)
    with pytest.raises(UsageError, match=r"^Config has no field batch_size$"):
        Config(batch_size=64)
    with pytest.raises(UsageError, match=r"^Config has no field n_envs: did you mean num_envs\?$"):
        dataclasses.replace(Config(), n_envs=3)


@pytest.mark.parametrize(
    ("module", "options", "said"),
    [
        ("vecac.train", vecac.train.TrainOptions, "Copies of the environment that step together (N)."),
        (
            "vecac.evaluate",
            vecac.evaluate.EvaluateOptions,
            "Draw actions from the policy instead of taking the most probable.",
        ),
    ],
)
def test_help_explains_every_flag_and_waits_for_no_torch(module, options, said):
    code, stdout, stderr = run("-X", "importtime", "-m", module, "--help")
    assert code == 0
    unwrapped = " ".join(stdout.replace("│", " ").split())
    flags = {flag(field.name) for field in dataclasses.fields(options)} - {"--run"}  # a bare argument
    assert {name for name in flags if f"{name} " not in unwrapped and f"{name}, " not in unwrapped} == set()
    assert said in unwrapped
    imported = {line.rpartition("|")[2].strip() for line in stderr.splitlines()}
    assert "tyro" in imported  # or else nothing was measured
    assert not [name for name in imported if name.split(".")[0] == "torch"]
