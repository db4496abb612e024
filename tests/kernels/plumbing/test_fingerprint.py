"""What a function reaches is all that its fingerprint depends on, wherever it lies."""

import dataclasses
import enum
import math
from collections import namedtuple
from types import ModuleType

import numpy as np
import pytest
from kernel_support import LINE
from numba import njit
from numba.extending import register_jitable
from support import run

from vecac.errors import UsageError
from vecac.kernels.environments.cartpole import CARTPOLE
from vecac.kernels.plumbing.compiling import compile_environment
from vecac.kernels.plumbing.fingerprint import constants_of, fingerprint, reached_functions

MINE = """
import math
import numpy as np
from numba.extending import register_jitable
import far
from far import SPEED, TABLE, moved
from vecac.kernels.environment import CompiledEnvironment

@register_jitable
def shifted(x):
    return moved(x) + far.OFFSET + TABLE[1]

def make(gain):
    def step(state, action):
        return (shifted(state[0]) * gain, state[1]), SPEED + np.float64(math.cos(0.0)), False
    return step

def reset(uniforms):
    return uniforms[0], 0.0

def observe(state):
    return state

MINE = CompiledEnvironment(reset, make(2.0), observe, num_uniforms=1, state_size=2, obs_size=2, num_actions=2)
"""
FAR = """
import numpy as np
from numba.extending import register_jitable
SPEED, OFFSET, TABLE, _HIDDEN, UNUSED = 1.0, 10.0, np.array([0.0, 100.0]), 1000.0, 1.0

@register_jitable
def moved(x):
    return x + _HIDDEN
"""
SCRIPT = """
import mine
from vecac.kernels.plumbing.compiling import compile_environment
step = compile_environment(mine.MINE)[1]
(x, _), reward, _ = step((0.0, 0.0), 0)
print(x, reward, sum(step.stats.cache_hits.values()))
"""


def replaced(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_a_compiled_environment_is_compiled_anew_when_what_it_reaches_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "mine.py").write_text(MINE)
    far = tmp_path / "far.py"
    far.write_text(FAR)

    def outcome():
        code, stdout, stderr = run("-B", "-c", SCRIPT)  # no bytecode: files change within its second
        assert (code, stderr) == (0, "")
        return stdout.strip()

    assert outcome() == "2220.0 2.0 0"
    assert outcome() == "2220.0 2.0 0"  # other functions may be more than their code says
    replaced(
        far, "SPEED, OFFSET, TABLE, _HIDDEN, UNUSED = 1.0", "SPEED, OFFSET, TABLE, _HIDDEN, UNUSED = 3.0"
    )
    assert outcome() == "2220.0 4.0 0"
    replaced(far, "10.0, np", "20.0, np")
    assert outcome() == "2240.0 4.0 0"
    replaced(far, "100.0]", "200.0]")
    assert outcome() == "2440.0 4.0 0"
    replaced(far, "1000.0", "2000.0")
    assert outcome() == "4440.0 4.0 0"
    replaced(far, "return x +", "return x -")
    assert outcome() == "-3560.0 4.0 0"
    replaced(tmp_path / "mine.py", "make(2.0)", "make(1.0)")
    assert outcome() == "-1780.0 4.0 0"
    replaced(far, "2000.0, 1.0", "2000.0, 7.0")  # what it does not reach
    assert outcome() == "-1780.0 4.0 0"


KNOWN = None


def reaching(x):
    return KNOWN, x


Point, Turned = namedtuple("Point", "x y"), namedtuple("Point", "y x")
circular = ModuleType("circular")
circular.KNOWN = circular


class Way(enum.IntEnum):
    LEFT = 1


class Other(enum.IntEnum):
    LEFT = 2


def test_values_of_every_kind_are_told_apart(monkeypatch):
    seen = set()
    values = (
        *(1, 1.0, True, "1", None, 1j, (1,), (1, 2), [1], Way, Other, Way.LEFT),
        *(math, math.sin, np.sin, np.cos, float),
        *(np.float32(1), np.float64(1), np.ones(2), np.ones((2, 1)), np.zeros(2), np.float32, np),
        *(frozenset("ab"), frozenset("a"), Point(1, 2), Turned(1, 2), circular),
    )
    for value in values:
        monkeypatch.setitem(globals(), "KNOWN", value)
        first = fingerprint([reaching])
        assert first is not None, value
        assert first == fingerprint([reaching])
        seen.add(first)
    assert len(seen) == len(values)


@pytest.mark.parametrize(
    "value",
    [
        register_jitable(lambda x: x),
        njit(lambda x: x),
        object(),
        {},
        np.array([None]),
        np.sum,
        fingerprint.__class__.__call__,
    ],
)
def test_an_object_that_does_not_tell_its_content_has_no_fingerprint(monkeypatch, value):
    monkeypatch.setitem(globals(), "KNOWN", value)
    assert fingerprint([reaching]) is None


def test_functions_that_are_reached_in_any_way():
    def odd(n):
        return n != 0 and even(n - 1)

    def even(n):
        return n == 0 or odd(n - 1)

    assert set(reached_functions([even])) == {odd}
    assert set(reached_functions([reaching])) == set()
    assert constants_of(even) != constants_of(odd)


def test_a_helper_that_has_changed_in_the_process_is_refused(monkeypatch):
    @register_jitable
    def helper(x):
        return x * KNOWN

    def step(state, action):
        return (helper(state[0]), state[1]), 1.0, False

    monkeypatch.setitem(globals(), "KNOWN", 2.0)
    environment = dataclasses.replace(LINE, step=step)
    assert compile_environment(environment)[1]((1.5, 0.0), 0)[0][0] == 3.0
    assert compile_environment(environment)[1]((1.5, 0.0), 0)[0][0] == 3.0
    monkeypatch.setitem(globals(), "KNOWN", 4.0)
    with pytest.raises(UsageError, match="helper, which a compiled environment calls, has other constants"):
        compile_environment(environment)


def test_a_fingerprint_is_the_same_in_another_process(monkeypatch):
    script = (
        "from vecac.kernels.environments.cartpole import CARTPOLE as c\n"
        "from vecac.kernels.plumbing.fingerprint import fingerprint\n"
        "print(fingerprint([c.reset, c.step, c.observe]))"
    )
    here = fingerprint([CARTPOLE.reset, CARTPOLE.step, CARTPOLE.observe])
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        assert run("-c", script)[1].strip() == here
