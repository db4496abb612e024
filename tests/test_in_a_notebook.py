"""Training in a Jupyter kernel: what a cell shows, and how an interrupt ends it."""

import os
import threading
from types import SimpleNamespace

import pytest
from support import ROOTS

from vecac.recording import checkpoint

manager = pytest.importorskip("jupyter_client.manager", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="no Jupyter kernel is installed")

pytestmark = pytest.mark.linux  # elsewhere interrupts are no signals

SECONDS = 240
BEGIN = """
import signal, sys
from vecac.config import Config
from vecac.train import train

on_row = None
handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
"""
STEPPING = """
import gymnasium, support

class Stepping(support.StuckEnv):
    def step(self, action):
        print("stepping", flush=True)
        return super().step(action)

gymnasium.register("Stepping-v0", Stepping)
"""
HANDLERS_ARE_BACK = "handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]"

TRAINING = ("mean return ", "no episode yet")  # a fast machine is done before a bar is redrawn


class Kernel:
    """A kernel in a folder of its own, which runs cells."""

    def __init__(self, folder):
        path = os.pathsep.join([*map(str, ROOTS), os.environ.get("PYTHONPATH", "")])
        env = os.environ | {"PYTHONPATH": path, "IPYTHONDIR": str(folder / "ipython")}
        self.folder = folder
        self.manager, self._client = manager.start_new_kernel(cwd=str(folder), env=env)
        self.run(BEGIN)

    def run(self, code, interrupts=0, at="run folder: "):
        """What a cell leaves: text, data, widgets closed, an error's name; interrupted once it says `at`."""
        left = SimpleNamespace(text="", shown=[], closed=0, error=None)
        timers = [threading.Timer(2 * number, self.manager.interrupt_kernel) for number in range(interrupts)]
        waiting = list(timers)

        def take(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                left.text += content["text"]
                while waiting and at in left.text:
                    waiting.pop().start()
            elif message["msg_type"] in ("display_data", "execute_result"):
                left.shown.append(content["data"])
            elif message["msg_type"] == "error":
                left.error = content["ename"]
            left.closed += message["msg_type"] == "comm_close"

        self._client.execute_interactive(code, timeout=SECONDS, output_hook=take)
        for timer in timers:
            timer.cancel()
        return left

    def value(self, expression):
        """Of an expression there, as text."""
        return self.run(expression).shown[0]["text/plain"]

    def close(self):
        self._client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernel")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
        kernel = Kernel(folder)
        yield kernel
        kernel.close()


def screen(text):
    """The lines that a notebook shows of text that returns to a line's begin to write over it."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines.append(shown.rstrip())
    return [line for line in lines if line]


def code(**settings):
    fields = {"num_envs": 4, "learner": "torch", "eval_episodes": 2, **settings}
    config = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    return f"result = train(Config({config}), on_row=on_row)"


@pytest.fixture
def without_widgets(kernel):
    kernel.run("sys.modules['ipywidgets'] = None")
    yield kernel
    kernel.run(
        "for name in ('ipywidgets', 'tqdm.notebook', 'tqdm.autonotebook'): sys.modules.pop(name, None)"
    )


def test_a_bar_is_redrawn_in_place_where_there_are_no_widgets(without_widgets):
    left = without_widgets.run(code(total_timesteps=6000))
    assert (left.error, left.shown) == (None, [])
    bars = [part for part in left.text.split("\r") if "%|" in part]
    assert any(bar.startswith(TRAINING) and len(bar) <= 80 for bar in bars)
    assert len(bars) < 60
    lines = screen(left.text)
    assert not [line for line in lines if "%|" in line]
    assert lines[-1].startswith("play it again: ")
    assert len(lines) < 15


def test_a_bar_is_a_widget_where_there_are_such(kernel):
    pytest.importorskip("ipywidgets")
    left = kernel.run("on_row = lambda row: False\n" + code(total_timesteps=6000, log_interval=3000))
    kernel.run("on_row = None")
    assert left.error is None
    assert "%|" not in left.text and "\r" not in left.text
    training, *evaluations = left.shown
    assert training["text/plain"].startswith(TRAINING)
    assert all(data["text/plain"].startswith("evaluating ") for data in evaluations)
    assert all("application/vnd.jupyter.widget-view+json" in data for data in left.shown)
    assert left.closed == len(left.shown)  # also that of a run that stopped before its total


def test_a_result_is_shown_as_a_table(kernel):
    kernel.run(code(total_timesteps=100, eval_episodes=0, quiet=True))
    (data,) = kernel.run("result").shown
    assert "<tr><th>stop_reason</th><td>finished</td></tr>" in data["text/html"]


def test_an_interrupt_ends_the_run_and_not_the_cell(kernel):
    forever = code(total_timesteps=10**12, log_dir="forever")
    left = kernel.run(f"{forever}\nprint('went on')", interrupts=1)
    assert left.error is None
    assert left.text.endswith("\nwent on\n")
    assert kernel.value("result.stop_reason") == "'interrupted'"
    assert kernel.value(HANDLERS_ARE_BACK) == "True"
    (run_dir,) = (kernel.folder / "forever").iterdir()
    saved = checkpoint.load(run_dir / "checkpoints" / "latest.pt")
    assert kernel.value("result.env_steps") == str(saved["env_steps"])


def test_a_second_interrupt_ends_the_cell_and_not_the_kernel(kernel):
    kernel.run(f"kept = 'what the notebook has come to'\n{STEPPING}")
    left = kernel.run(code(env_id="Stepping-v0", log_dir="stuck"), interrupts=2, at="stepping")
    assert left.error == "KeyboardInterrupt"
    assert kernel.value("kept") == "'what the notebook has come to'"
    assert kernel.value(HANDLERS_ARE_BACK) == "True"
    (run_dir,) = (kernel.folder / "stuck").iterdir()
    assert not (run_dir / "result.json").exists()
    assert checkpoint.load(run_dir / "checkpoints" / "latest.pt")["env_steps"] == 0
