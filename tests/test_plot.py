"""python -m vecac.plot, on folders whose numbers are written by hand."""

from xml.etree import ElementTree

import numpy as np
import pytest
from run_folders import climb, make_run
from support import contents, explained, run

from vecac import extras as packages
from vecac.plot import PlotOptions, main, plot

SIGNATURES = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """Two runs of each of two learning rates."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    for rate, height in ((1e-3, 10), (1e-4, 2)):
        for seed in (1, 2):
            rows = climb((100, height), (200, height + 4 * seed))
            make_run(tmp_path / "logs", f"run-{rate}-{seed}", rows, learning_rate=rate, seed=seed)
    return tmp_path / "logs"


@pytest.fixture
def refused(logs, capsys):
    """What is said of arguments that cannot be used; nothing is written then."""

    def refused(*arguments):
        before = contents(logs.parent)
        message = explained(main([str(argument) for argument in arguments]), *capsys.readouterr())
        assert contents(logs.parent) == before
        return message

    return refused


@pytest.mark.parametrize("name", ["learning_rate", "learning-rate", "--learning-rate"])
def test_groups_by_a_flag(logs, name):
    low, high = plot(PlotOptions((logs,), group_by=(name,))).axes[0].lines[:2]
    np.testing.assert_allclose(low.get_ydata()[[0, -1]], [2, 8])
    np.testing.assert_allclose(high.get_ydata()[[0, -1]], [10, 16])


def test_a_second_name_of_a_flag_groups_too(logs):
    figure = plot(PlotOptions((logs,), group_by=("num-steps", "learning_rate")))
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[0] == "--n-rollout 10 --learning-rate 0.0001 (n = 2)"


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_a_file_is_written_whole_and_equal_each_time(logs, capsys, suffix):
    def drawn():
        assert main(["logs", "--group-by", "learning_rate", "--out", f"picture{suffix}"]) == 0
        assert capsys.readouterr() == (f"the curves are in picture{suffix}\n", "")
        assert sorted(path.name for path in logs.parent.iterdir()) == ["logs", f"picture{suffix}"]
        return (logs.parent / f"picture{suffix}").read_bytes()

    content = drawn()
    assert content.startswith(SIGNATURES[suffix.lower()])
    assert drawn() == content
    assert b"CreationDate" not in content and b"tIME" not in content
    if suffix == ".svg":
        assert ElementTree.fromstring(content).tag.endswith("svg")


def test_without_a_display_a_file_takes_the_window_s_place(logs, capsys):
    assert main([]) == 0
    path = logs.parent / "curves.png"
    said = f"there is no display for a window: the curves are in {path}\n"
    assert capsys.readouterr() == (said, "")
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.linux
@pytest.mark.parametrize("backend", ["tkagg", "module://nosuch"])
def test_a_window_that_is_asked_for_and_cannot_be_had_is_a_file_too(logs, monkeypatch, backend):
    monkeypatch.setenv("MPLBACKEND", backend)
    code, stdout, stderr = run("-m", "vecac.plot", "logs")
    assert (code, stderr) == (0, "")
    assert stdout.startswith("there is no display for a window: ")
    assert (logs.parent / "curves.png").is_file()


def test_with_a_display_no_file_is_written(logs, capsys, monkeypatch):
    monkeypatch.setattr("vecac.studies.run_figures.show", lambda figure: True)
    assert main(["logs"]) == 0
    assert capsys.readouterr() == ("", "")
    assert [path.name for path in logs.parent.iterdir()] == ["logs"]
    assert main(["logs", "--out", "a.svg"]) == 0  # and no window with one
    assert (logs.parent / "a.svg").is_file()


def test_what_is_left_out_is_a_warning_a_line(logs, capsys):
    make_run(logs, "young")
    assert main(["--out", "a.png"]) == 0
    assert capsys.readouterr().err == (
        "warning: left out: logs/young has no log row yet: wait for one, or leave it out\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--y", "ep_rew_mean"], "--y ep_rew_mean is no metric: did you mean rollout/ep_rew_mean?"),
        (["--y", "accuracy"], "--y accuracy is no metric: there are rollout/ep_rew_mean, "),
        (["--y", "eval/mean_reward"], "--y eval/mean_reward is blank in all 4 runs: name another metric"),
        (["--group-by", "lr"], "has no field lr: did you mean learning_rate?"),
        (["--group-by", "learning_rat"], "did you mean learning_rate?"),
        (
            ["--group-by", "xyz"],
            "--group-by xyz is no flag of vecac.train, whose --help shows them all: ",
        ),
        (["nowhere"], "nowhere is no folder that can be read (No such file or directory)"),
        (["logs/run-0.001-1/progress.csv"], "progress.csv is no folder that can be read (Not a directory)"),
        (["--out", "curves.jpg"], "--out curves.jpg is none of .png, .svg, .pdf: give it one of these"),
        (["--out", "curves"], "--out curves is none of .png, .svg, .pdf"),
        (["--out", "nowhere/curves.png"], "--out nowhere/curves.png cannot be written: No such file"),
    ],
)
def test_bad_input_is_a_line(refused, arguments, said):
    assert said in refused(*arguments)


def test_a_folder_without_runs_is_told(refused, logs):
    (logs.parent / "empty").mkdir()
    assert refused("logs", "empty") == "no run in empty: name a run's folder, or one with runs in it"


def test_runs_are_found_in_folders_of_the_folder_too(logs, capsys):
    assert main([".", "--out", "a.png"]) == 0
    assert capsys.readouterr().err == ""


def test_a_folder_in_the_file_s_place_is_told_and_left_alone(refused, logs):
    (logs.parent / "curves.png").mkdir()
    for arguments in (["--out", "curves.png"], []):
        assert "--out curves.png cannot be written: Is a directory" in refused(*arguments)


def test_a_run_without_rows_is_told(refused, logs):
    run = make_run(logs, "young")
    assert f"{run} has no log row yet" in refused(run)
    assert f"{run} has no log row yet" in refused("logs", run)


def test_too_many_groups_are_told(refused, logs):
    for seed in range(3, 26):
        make_run(logs, f"run{seed}", climb((1, 1)), seed=seed)
    assert refused("--group-by", "seed", "--out", "a.png") == (
        "--group-by seed makes 25 groups, of which 24 can be told apart: name fewer runs, or group them by "
        "something else"
    )


def test_without_matplotlib_it_says_how_to_get_it(refused, monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "matplotlib" else "there")
    assert refused("--out", "a.png") == (
        "matplotlib is not installed: pip install -c constraints.txt -e '.[study]'"
    )


def test_in_a_process_of_its_own_without_torch(logs):
    program = "import sys; from vecac.plot import main; code = main(sys.argv[1:]); "
    program += "print(code, 'torch' in sys.modules)"
    code, stdout, stderr = run("-c", program, "logs", "--x", "env_steps", "--out", "a.svg")
    assert (code, stdout, stderr) == (0, "the curves are in a.svg\n0 False\n", "")


def test_help_loads_nothing_heavy(logs):
    program = (
        "import sys; from vecac.plot import main\ntry: main(['--help'])\nfinally: "
        "print({'torch', 'matplotlib', 'scipy', 'gymnasium'} & {*sys.modules})"
    )
    code, stdout, stderr = run("-c", program)
    assert (code, stderr) == (0, "")
    assert stdout.startswith("usage: python -m vecac.plot [-h] [OPTIONS] [[PATH [PATH ...]]]\n")
    assert stdout.endswith("set()\n")
    for flag in ("--x {env_steps,seconds}", "--y STR", "--group-by STR", "--out {None}|PATH"):
        assert flag in stdout
