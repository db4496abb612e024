"""python -m vecac.study, from the command line and from Python."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from study_support import rows, without_times
from support import explained, run, start, wait_until

from vecac.config import Config
from vecac.study import main, resume, study
from vecac.train import train

FAST = ("--total-timesteps", "30000", "--eval-episodes", "5", "--workers", "2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study of two settings and three seeds."""
    logs = tmp_path_factory.mktemp("logs")
    code, stdout, stderr = run(
        "-m",
        "vecac.study",
        *FAST,
        "--seeds",
        "3",
        "--vary",
        "learning-rate=1e-3,3e-3",
        "--log-dir",
        logs,
        seconds=240,
    )
    assert (code, stderr) == (0, "")
    (folder,) = logs.iterdir()
    return folder, stdout


def test_a_study_leaves_what_it_promises(whole):
    folder, stdout = whole
    assert folder.name.startswith("study__CartPole-v1__vecac__")
    names = {path.name for path in folder.iterdir()}
    assert {"study.json", "runs.csv", "curves.npz", "summary.json", "summary.md", "settings"} <= names
    assert {
        "learning_curves.png",
        "learning_curves.svg",
        "env_steps_to_solve.png",
        "final_returns.svg",
    } <= names
    assert "curves.part" not in names
    assert [(row["setting"], row["seed"]) for row in rows(folder)] == [
        (setting, seed) for setting in "12" for seed in "123"
    ]
    assert "2 settings with 3 seeds, by 2 processes; 0 runs are done: " in stdout
    assert "--learning-rate 0.003" in stdout
    assert str(folder) in stdout.splitlines()[-1]


def test_its_runs_are_those_of_vecac_train(whole, tmp_path):
    folder, _ = whole
    row = rows(folder)[4]
    result = train(
        Config(
            engine="fused",
            learning_rate=3e-3,
            seed=2,
            total_timesteps=30_000,
            num_threads=1,
            log_dir=str(tmp_path),
            quiet=True,
        )
    )
    for name in ("env_steps", "updates", "episodes", "last_100_return_mean"):
        assert row[name] == str(getattr(result, name))


def test_resuming_a_whole_study_writes_the_same_tables_again(whole):
    folder, _ = whole
    before = without_times(folder)
    result = resume(folder, workers=1)
    assert without_times(folder) == before
    assert result.is_whole
    assert result.summary["leading"] in (1, 2)


def test_from_python_it_returns_arrays_and_a_summary(tmp_path):
    config = Config(total_timesteps=20_000, eval_episodes=2, log_dir=str(tmp_path), quiet=True)
    result = study(config, seeds=2, vary={"gamma": [0.9, 0.99]}, workers=2)
    assert sorted(result.runs) == [1, 2]
    assert result.runs[1].seed_R.tolist() == [1, 2]
    assert result.runs[2].curve_RG.shape == (2, 100)
    assert len(result.summary["settings"]) == 2
    assert {path.suffix for path in result.figures} == {".png", ".svg"}
    shown = result._repr_html_()
    assert shown.startswith("<pre>setting")
    assert shown.count("<svg") == shown.count("</svg>") >= 3
    again = study(config, seeds=2, vary={"gamma": "0.9,0.99"}, workers=1)
    assert again.summary["settings"] == result.summary["settings"]


def test_other_engines_and_environments(tmp_path):
    code, _, stderr = run(
        *("-m", "vecac.study", "--env-id", "Pendulum-v1", "--seeds", "2", "--total-timesteps", "600"),
        *("--eval-episodes", "1", "--vary", "engine=sync,auto"),
        *("--log-dir", tmp_path),
        seconds=240,
    )
    assert (code, stderr) == (0, "")
    (folder,) = tmp_path.iterdir()
    assert {row["stop_reason"] for row in rows(folder)} == {"finished"}
    assert not (folder / "env_steps_to_solve.png").exists()  # nothing says when Pendulum is solved


def test_a_run_that_fails_is_a_row_and_the_study_goes_on(tmp_path, capsys):
    flags = ("--seeds", "2", "--vary", "learning-rate=1e-3,1e30", "--log-dir", str(tmp_path))
    assert main([*FAST, *flags]) == 0
    assert capsys.readouterr().err == ""
    (folder,) = tmp_path.iterdir()
    assert [row["stop_reason"] for row in rows(folder)] == ["finished", "finished", "failed", "failed"]
    assert all("lower --learning-rate" in row["error"] for row in rows(folder)[2:])
    assert "lower --learning-rate" in (folder / "summary.md").read_text()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--vary", "lerning-rate=1"], "did you mean --learning-rate?"),
        (["--vary", "gamma=0.9,2"], "setting 2 (--gamma 2.0)"),
        (["--vary", "gamma=0.9", "--vary", "gamma=0.99"], "--gamma is varied already"),
        (["--vary", "gamma=0.99..0.9"], "is an empty range"),
        (["--vary", "gamma=0.9..0.99"], "add --sample K"),
        (["--vary", "wrapper=nowhere:W"], "nowhere"),
        (["--sample", "1000000000", "--vary", "gamma=0.9..0.99"], "--sample must be at most 100,000"),
        (["--setting", "3"], "--setting 3 goes with --keep"),
        (["--resume", ".", "--keep", "."], "leave one out"),
        (["--keep", ".", "--workers", "3"], "leave --workers and --cluster out"),
        (["--env-id", "Nowhere-v0"], "Nowhere"),
        (
            ["--engine", "fused", "--vary", "activation=relu,elu"],
            "setting 2 (--activation elu): --activation elu does not go",
        ),
        (["--num-threads", "4"], "--num-threads 4 does nothing in a study"),
        (["--resume", "logs"], "is not a study's folder"),
        (["--resume", "nowhere"], "is no folder that can be opened"),
        (["--resume", ".", "--gamma", "0.9"], "--gamma 0.9: a study goes on as it began; leave it out"),
        (["--resume", ".", "--vary", "gamma=1"], "a study goes on as it began"),
        (["--keep", "nowhere", "--setting", "1"], "is not a study's folder"),
        (["--settings", "CartPole-v1", "--resume", "."], "--settings goes with a new study alone"),
        (["--tune", "3"], "--tune 3 tries settings, at least 1, from --vary: add that"),
        (["--tune", "3", "--vary", "gamma=0.9..2"], "setting 2 (--gamma 2.0)"),
        (["--tune", "3", "--vary", "gamma=0.9,1", "--sample", "2"], "--tune goes with neither --sample nor"),
        (["--workers", "2", "--cluster", "auto"], "leave one out"),
        (["--workers", "-1"], "--workers must be between 0 and"),
        (["--log-dir", "/dev/null/logs"], "--log-dir /dev/null/logs cannot be written to"),
        (["--sed", "3"], "did you mean --seed"),
    ],
)
def test_bad_input_is_a_line_and_leaves_nothing(flags, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vecac.shell.console.PATIENCE_SECONDS", 60.0)  # no line but the error, if it is slow
    (tmp_path / "logs").mkdir()
    assert said in explained(main(flags), *capsys.readouterr())
    assert [*tmp_path.rglob("*")] == [tmp_path / "logs"]


def test_a_study_that_is_running_is_not_resumed(whole, capsys):
    from vecac.runs.folder_lock import locked

    folder, _ = whole
    with locked(folder):
        assert "it is still running" in explained(main(["--resume", str(folder)]), *capsys.readouterr())


def test_a_run_is_taken_out_as_a_run_folder(whole, tmp_path, capsys):
    folder, _ = whole
    flags = ["--keep", str(folder), "--setting", "2", "--seed", "3", "--log-dir", str(tmp_path)]
    assert main(flags) == 0
    (run_dir,) = tmp_path.iterdir()
    result = json.loads((run_dir / "result.json").read_text())
    row = next(row for row in rows(folder) if (row["setting"], row["seed"]) == ("2", "3"))
    assert row["last_100_return_mean"] == str(result["last_100_return_mean"])
    assert json.loads((run_dir / "config.json").read_text())["learning_rate"] == 3e-3
    capsys.readouterr()
    flags[5] = "99"
    assert "has no run with --setting 2 --seed 99" in explained(main(flags), *capsys.readouterr())


def test_a_run_that_comes_out_otherwise_than_in_the_study_is_told(whole, tmp_path, capsys):
    folder, _ = whole
    copy = tmp_path / "study"
    copy.mkdir()
    for name in ("study.json", "curves.npz", "runs.csv"):
        (copy / name).write_bytes((folder / name).read_bytes())
    table = [line.split(",") for line in (copy / "runs.csv").read_text().splitlines()]
    table[1][table[0].index("episodes")] = "1"
    (copy / "runs.csv").write_text("\n".join(map(",".join, table)) + "\n")
    code = main(["--keep", str(copy), "--seed", table[1][1], "--log-dir", str(tmp_path / "logs"), "--quiet"])
    stderr = capsys.readouterr().err
    assert code == 1
    assert "episodes is" in stderr
    assert "and was 1 in the study" in stderr


def test_help_needs_no_torch_and_shows_every_flag():
    script = """import sys, vecac.study
try: vecac.study.main(["--help"])
except SystemExit: print("torch" in sys.modules)"""
    code, stdout, _ = run("-c", script)
    assert code == 0
    assert stdout.splitlines()[-1] == "False"
    for flag in (
        "--seeds",
        "--vary",
        "--sample",
        "--until-ci",
        "--resume",
        "--keep",
        "--learning-rate",
        "--env-id",
    ):
        assert flag in stdout


def test_a_search_prints_what_it_found_as_a_command_line(tmp_path):
    flags = ("--seeds", "3", "--tune", "4", "--vary", "learning-rate=log:1e-4..1e-2", "--log-dir", tmp_path)
    code, stdout, stderr = run("-m", "vecac.study", *FAST, *flags, seconds=240)
    assert (code, stderr) == (0, "")
    (folder,) = tmp_path.iterdir()
    found = json.loads((folder / "summary.json").read_text())["found"]
    assert f"    {found['command']}\n" in stdout
    assert "with seeds 4 to 6, which no trial had: " in stdout
    before = without_times(folder)
    assert resume(folder).is_whole  # goes through it again, without a run
    assert without_times(folder) == before


LONG = ("-m", "vecac.study", "--total-timesteps", "100000000", "--workers", "2", "--seeds", "4")


@pytest.mark.linux
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("to_group", [False, True])
def test_a_signal_ends_a_study_within_two_seconds(tmp_path, number, code, to_group):
    process = start(*LONG, "--log-dir", tmp_path, stderr=subprocess.PIPE, seconds=240)
    assert wait_until(lambda: [*tmp_path.glob("study__*/runs.csv")], 200)
    begun = time.monotonic()
    (os.killpg if to_group else os.kill)(process.pid, number)
    stdout, stderr = process.communicate()
    assert time.monotonic() - begun < 2 + 3  # which a busy machine may need on top
    assert (process.returncode, stderr) == (code, "")
    (folder,) = tmp_path.iterdir()
    assert f"go on with python -m vecac.study --resume {folder}" in stdout
    assert {path.name for path in folder.iterdir()} == {"study.json", "runs.csv", "curves.npz"}


@pytest.mark.skipif(sys.platform == "win32", reason="no permissions")
def test_a_missing_extra_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("vecac.extras.find_spec", lambda name: None if name == "scipy" else "there")
    message = explained(main(["--log-dir", str(tmp_path)]), *capsys.readouterr())
    assert message == "scipy is not installed: pip install -c constraints.txt -e '.[study]'"
