import dataclasses
import json
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from flag_examples import FLAGS
from support import run

import vecac
import vecac.evaluate
import vecac.train
from vecac.config import Config
from vecac.errors import EnvironmentFault, RunFault, UsageError
from vecac.evaluate import EvaluateOptions
from vecac.runs.run_folder import Result

pytestmark = pytest.mark.usefixtures("elsewhere")

SMALL = ["--num-envs", "2", "--total-timesteps", "200", "--eval-episodes", "2", "--num-threads", "1"]


@pytest.fixture
def configs(monkeypatch):
    """The configs that the command line hands to train, which is not run."""
    seen = []

    def train(config, stop):
        seen.append(config)
        return ended("finished")

    def resume(run_dir, stop, **changes):
        seen.append((run_dir, Config(**changes)))
        return ended("finished")

    monkeypatch.setattr(vecac.train, "train", train)
    monkeypatch.setattr(vecac.train, "resume", resume)
    monkeypatch.setattr(vecac.train, "load_policy", lambda path: SimpleNamespace(network_settings={}))
    monkeypatch.setattr(vecac.train, "require_network", lambda saved, values: None)
    return seen


def ended(stop_reason):
    nothing = dict.fromkeys((field.name for field in dataclasses.fields(Result)), None)
    return Result(**nothing | {"stop_reason": stop_reason})


@pytest.mark.parametrize(("arguments", "fields"), FLAGS)
def test_a_flag_sets_its_field_and_no_other(configs, arguments, fields):
    assert vecac.train.main(arguments.split()) == 0
    assert configs == [Config(**fields)]
    assert type(configs[0]) is Config


def test_every_field_has_a_flag():
    tried = {field for _, fields in FLAGS for field in fields}
    assert tried == {field.name for field in dataclasses.fields(Config)}


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        ("--resume saved", {}),
        ("--resume=saved", {}),
        ("--gamma 0.7 --resume saved --no-anneal-lr", {"gamma": 0.7, "anneal_lr": False}),
        ("--resume saved --max-grad-norm None", {"max_grad_norm": None}),
    ],
)
def test_with_resume_flags_left_out_are_as_saved(configs, arguments, fields):
    saved = {"seed": 9, "gamma": 0.5, "anneal_lr": True, "max_grad_norm": 0.5, "engine": "fused"}
    Path("saved").mkdir()
    Path("saved/config.json").write_text(json.dumps(Config(**saved, quiet=True).to_dict()))
    assert vecac.train.main(arguments.split()) == 0
    assert configs == [("saved", Config(**saved | fields))]


def test_a_folder_that_is_none_is_refused(configs, capsys):
    for arguments in (
        ["--resume", "nowhere"],
        ["--resume="],
        ["--quiet", "--resume", "nowhere", "--seed", "1"],
    ):
        assert vecac.train.main(arguments) == 2
        assert "is not a run folder" in capsys.readouterr().err
    assert configs == []


def test_resume_without_a_folder_keeps_tyros_message(configs, capsys):
    with pytest.raises(SystemExit) as ending:
        vecac.train.main(["--quiet", "--resume"])
    assert ending.value.code == 2
    assert "--resume" in capsys.readouterr().err
    assert configs == []


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        ("runs/a", {}),
        ("runs/a --checkpoint best", {"checkpoint": "best"}),
        ("runs/a --episodes 7 --seed 0", {"episodes": 7, "seed": 0}),
        ("--sampled --json --render runs/a", {"sampled": True, "json": True, "render": True}),
    ],
)
def test_evaluate_flags(monkeypatch, arguments, fields):
    seen = []
    monkeypatch.setattr(
        vecac.evaluate, "_command", lambda values: seen.append(EvaluateOptions(**values)) or 0
    )
    assert vecac.evaluate.main(arguments.split()) == 0
    assert seen == [EvaluateOptions(run=Path("runs/a"), **fields)]


@pytest.mark.parametrize(
    ("stop_reason", "signal_number", "code"),
    [
        ("finished", None, 0),
        ("target_reached", None, 0),
        ("interrupted", signal.SIGINT, 130),
        ("interrupted", signal.SIGTERM, 143),
    ],
)
def test_exit_code_by_ending(monkeypatch, stop_reason, signal_number, code):
    def train(config, stop):
        stop.signal_number = signal_number
        return ended(stop_reason)

    monkeypatch.setattr(vecac.train, "train", train)
    assert vecac.train.main([]) == code


@pytest.mark.parametrize(
    ("error", "code", "stderr"),
    [
        (UsageError("--x is wrong:\n  leave it out"), 2, "error: --x is wrong: leave it out\n"),
        (EnvironmentFault("environment 3 broke"), 1, "error: environment 3 broke\n"),
        (RunFault("the loss is not finite"), 1, "error: the loss is not finite\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
@pytest.mark.parametrize("command", [vecac.train, vecac.evaluate])
def test_exit_code_by_error(monkeypatch, capsys, command, error, code, stderr):
    def work(*_):
        raise error

    monkeypatch.setattr(command, "_command", work)
    assert command.main(["--run-name", "a"] if command is vecac.train else ["a"]) == code
    assert capsys.readouterr() == ("", stderr)


def test_a_defect_keeps_its_traceback(monkeypatch):
    def train(config, stop):
        raise IndexError("ours")

    monkeypatch.setattr(vecac.train, "train", train)
    with pytest.raises(IndexError, match="ours"):
        vecac.train.main([])


def test_a_warning_is_one_line_on_stderr(monkeypatch, capsys):
    def train(config, stop):
        warnings.warn("no GPU here", stacklevel=1)
        return ended("finished")

    before = warnings.showwarning
    monkeypatch.setattr(vecac.train, "train", train)
    assert vecac.train.main([]) == 0
    assert capsys.readouterr() == ("", "warning: no GPU here\n")
    assert warnings.showwarning is before


def test_a_run_from_the_command_line_and_its_evaluation(tmp_path, capsys):
    arguments = ["--num-envs", "2", "--total-timesteps", "800", "--eval-episodes", "3"]
    code, stdout, stderr = run("-m", "vecac.train", *arguments, "--log-dir", tmp_path / "logs")
    assert (code, stderr) == (0, "")
    (run_dir,) = (tmp_path / "logs").iterdir()
    lines = stdout.splitlines()
    while not lines[0].startswith("vecac "):  # what was waited for
        lines.pop(0)
    assert lines[0].startswith(f"vecac {vecac.__version__}: CartPole-v1, 2 environments (sync, next-step), ")
    assert lines[1:3] == [f"run folder: {run_dir}", f"watch it:   tensorboard --logdir {run_dir}"]
    assert lines[3] == "--learner auto: compiled, since it is the fastest on the CPU"
    assert lines[4] == "--settings CartPole-v1 has settings that were tried for this environment"
    assert lines[5].startswith("only 40 updates fit into 800 env steps, too few to learn much: raise --tot")
    assert lines[-3].startswith("finished: 8")
    assert lines[-2].startswith("evaluation over 3 episodes: greedy ")
    assert lines[-1] == f"play it again: python -m vecac.evaluate {run_dir}"
    saved = json.loads((run_dir / "config.json").read_text())
    assert saved["command_line"][1:] == [*arguments, "--log-dir", str(tmp_path / "logs")]

    assert vecac.evaluate.main([str(run_dir), "--episodes", "3", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    summary, result = json.loads(line), json.loads((run_dir / "result.json").read_text())
    assert summary == {
        "env_id": "CartPole-v1",
        "checkpoint": "latest",
        "env_steps": result["env_steps"],
        "policy": "greedy",
        "return_mean": result["eval_return_mean"],
        "return_std": result["eval_return_std"],
        "episodes": 3,
        "cut_episodes": 0,
        "length_mean": result["eval_return_mean"],  # CartPole pays 1 a step
        "seed": 1,
    }


def test_quiet_prints_nothing(capsys):
    assert vecac.train.main([*SMALL, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_evaluate_prints_one_line(capsys):
    assert vecac.train.main([*SMALL, "--quiet"]) == 0
    (run_dir,) = Path("logs").iterdir()
    assert vecac.evaluate.main([str(run_dir), "--episodes", "5", "--sampled", "--seed", "9"]) == 0
    stdout, stderr = capsys.readouterr()
    assert stderr == ""
    (line,) = stdout.splitlines()
    assert line.startswith("CartPole-v1, latest parameters after 2")
    assert " sampled: return " in line
    assert line.endswith(" over 5 episodes")


def test_an_environment_of_the_working_directory_is_found(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder not in ("", str(tmp_path))])
    (tmp_path / "homemade.py").write_text(
        "import gymnasium as gym\n"
        "cart = 'gymnasium.envs.classic_control:CartPoleEnv'\n"
        "gym.register('Homemade-v0', cart, max_episode_steps=5)\n"
    )
    assert vecac.train.main(["--env-id", "homemade:Homemade-v0", *SMALL, "--quiet"]) == 0
    (run_dir,) = Path("logs").iterdir()
    assert run_dir.name.startswith("homemade-Homemade-v0__vecac__1__")
    assert json.loads((run_dir / "result.json").read_text())["eval_return_mean"] == 5.0


def test_an_environment_that_raises_fails_the_run(capsys):
    assert vecac.train.main(["--env-id", "support:Raising-v0", *SMALL, "--quiet"]) == 1
    stdout, stderr = capsys.readouterr()
    fault = "at step 3, environment 0 raised ZeroDivisionError: the cart left the rails"
    assert stdout == ""
    (line,) = stderr.splitlines()
    assert line.startswith(f"error: {fault}")
    (run_dir,) = Path("logs").iterdir()
    result = json.loads((run_dir / "result.json").read_text())
    assert result["stop_reason"] == "failed"
    assert " ".join(result["error"].split()).startswith(f"EnvironmentFault: {fault}")
    assert result["eval_return_mean"] is None


@pytest.mark.parametrize("command", [vecac.train, vecac.evaluate])
def test_version(capsys, command):
    with pytest.raises(SystemExit) as ending:
        command.main(["--version"])
    assert ending.value.code == 0
    assert capsys.readouterr() == (f"vecac {vecac.__version__}\n", "")


def test_whoever_reads_along_may_have_seen_enough(tmp_path):
    done = subprocess.run(
        f"{sys.executable} -m vecac.runs {tmp_path} --json | true; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) in (("0\n", ""), ("[]\n0\n", ""))
