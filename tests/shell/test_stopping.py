import contextlib
import os
import signal
import subprocess
import threading

import pytest
from support import group_members, kill_group, run, start, wait_until

from vecac.shell.stopping import StopRequest

pytestmark = pytest.mark.linux  # elsewhere os.kill may end this process

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def former():
    """A handler of ours, from before; a signal that reaches it fails the test and harms nobody."""

    def former(number, frame):
        raise AssertionError("the former handler was called")

    before = {number: signal.signal(number, former) for number in SIGNALS}
    yield former
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_a_request(number):
    with StopRequest() as stop:
        assert not stop.requested()
        os.kill(os.getpid(), number)
        assert wait_until(stop.requested, seconds=10)
        assert stop.signal_number == number
    assert stop.requested()


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_the_handlers_are_those_of_before_again(former, error):
    with contextlib.suppress(RuntimeError), StopRequest():
        assert former not in {signal.getsignal(number) for number in SIGNALS}
        if error:
            raise error
    assert [signal.getsignal(number) for number in SIGNALS] == [former, former]


def test_nothing_is_installed_outside_the_main_thread(former):
    seen = []

    def work():
        with StopRequest() as stop:
            seen.extend([signal.getsignal(number) for number in SIGNALS] + [stop.requested()])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [former, former, False]


def test_exit_codes():
    stop = StopRequest()
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            stop.signal_number = number
            assert stop.exit_code() == code
            os.kill(os.getpid(), number)  # deaf: the process is about to end
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


def test_an_exit_code_leaves_a_prompt_its_handlers(monkeypatch, former):
    monkeypatch.setattr("sys.ps1", ">>> ", raising=False)
    assert StopRequest().exit_code() == 130
    assert signal.getsignal(signal.SIGINT) is former


SCRIPT = """
import multiprocessing, os, signal, sys, time
from vecac.shell.stopping import StopRequest

if __name__ == "__main__":
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(1000,))
    child.start()
    with StopRequest() as stop:
        os.kill(os.getpid(), getattr(signal, sys.argv[1]))
        while not stop.requested():
            time.sleep(0.01)
        time.sleep(0.1)
        print("still here", flush=True)
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))
        time.sleep(1000)
"""


@pytest.mark.parametrize(
    ("first", "second", "code", "begin"),
    [
        ("SIGINT", "SIGINT", 130, ""),
        ("SIGTERM", "SIGTERM", 143, ""),
        ("SIGINT", "SIGTERM", 143, ""),
        ("SIGINT", "SIGTERM", 143, "import sys; sys.ps1 = '>>> '"),  # which is meant for the process
    ],
)
def test_a_second_signal_ends_the_process_and_its_children_at_once(first, second, code, begin):
    process = start("-c", begin + SCRIPT, first, second, stderr=subprocess.PIPE)
    try:
        stdout, stderr = process.communicate(timeout=30)
        assert (process.returncode, stdout, stderr) == (code, "still here\n", "")
        assert wait_until(lambda: not group_members(process.pid), seconds=5), group_members(process.pid)
    finally:
        kill_group(process.pid)


PROMPT = """
import os, signal, sys, time
from vecac.shell.stopping import StopRequest

sys.ps1 = ">>> "
former = signal.getsignal(signal.SIGINT)
try:
    with StopRequest() as stop:
        for said in ("first", "second"):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            print(said, stop.requested())
except KeyboardInterrupt:
    print("interrupted", signal.getsignal(signal.SIGINT) is former)
"""


def test_at_a_prompt_a_second_ctrl_c_interrupts_what_python_does_and_leaves_the_process():
    assert run("-c", PROMPT) == (0, "first True\ninterrupted True\n", "")
