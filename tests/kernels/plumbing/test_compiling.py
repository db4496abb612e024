"""Kernels are cached on disk, never used when stale, and compiled in memory where there is no place."""

import dataclasses
import functools
import os
import time
from pathlib import Path

import numpy as np
import pytest
from kernel_support import LINE
from numba import njit
from numba.core.errors import TypingError
from support import edit, run

from vecac.errors import UsageError
from vecac.kernels.plumbing import compiling
from vecac.kernels.plumbing.compiling import compile_environment, require_same_types, specialise, trusting

# A kernel of one file that calls a function of another: numba's own cache would not see layers.py change.
SCRIPT = """
import numpy as np
from vecac.kernels.drivers import rollout_kernels
from vecac.kernels.plumbing.compiling import compile_environment, specialise
from vecac.kernels.environments.cartpole import CARTPOLE
from vecac.actions import ActionForm
from vecac.kernels.mathematics.memory import NetworkForm, describe_heads, parameters_dtype, workspace_dtype
from vecac.kernels.mathematics.model import Model
from vecac.kernels.drivers.rollout_kernels import Memory

form = NetworkForm(4, ActionForm("discrete", (2,)), (3,), "relu", False)
parameters, works = np.ones(1, parameters_dtype(form)), np.zeros(1, workspace_dtype(form))
describe_heads(form, works)
parameters["heads_bias"][0] = 5, 2, 1
model = Model(*[None] * len(Model._fields))._replace(parameters=parameters, works=works)
memory = Memory(*[None] * len(Memory._fields))._replace(model=model)
kernel = specialise(rollout_kernels.prepare, memory)
kernel(memory)
step = compile_environment(CARTPOLE)[1]
hits = sum(kernel.stats.cache_hits.values()), sum(step.stats.cache_hits.values())
print(works["heads_bias"][0].tolist(), step((0.0, 1.0, 0.0, 0.0), 1)[0][0], *hits)
"""


def outcome():
    code, stdout, stderr = run("-c", SCRIPT)
    assert (code, stderr) == (0, "")
    return stdout.strip()


def test_the_cache_is_used_and_never_stale(package):
    assert outcome() == "[3.0, 1.0] 0.02 0 0"
    assert outcome() == "[3.0, 1.0] 0.02 1 1"
    edit(
        package / "kernels" / "mathematics" / "layers.py",
        "parameters.heads_bias[output] - parameters.heads_bias[reference]",
        "parameters.heads_bias[output] + parameters.heads_bias[reference]",
    )
    assert outcome() == "[7.0, 1.0] 0.02 0 1"
    edit(package / "kernels" / "environments" / "cartpole.py", "TIME_STEP = 0.02", "TIME_STEP = 0.03")
    assert outcome().startswith("[7.0, 1.0] 0.03 ")
    edit(package / "kernels" / "plumbing" / "compiling.py", "KEPT_SECONDS = 30", "KEPT_SECONDS = 31")
    assert outcome() == "[7.0, 1.0] 0.03 0 0"


@pytest.mark.parametrize(
    "obstacle", ["a file in its place", pytest.param("no right to write", marks=pytest.mark.linux)]
)
def test_without_a_cache_folder_kernels_are_compiled_in_memory(package, tmp_path, monkeypatch, obstacle):
    if obstacle == "a file in its place":
        (tmp_path / "cache").write_text("")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert outcome() == "[3.0, 1.0] 0.02 0 0"


@pytest.mark.parametrize("damage", [b"", b"nonsense"])
def test_a_damaged_cache_is_compiled_anew(package, tmp_path, damage):
    assert outcome() == "[3.0, 1.0] 0.02 0 0"
    for path in (tmp_path / "cache").rglob("*.nb[ic]"):
        path.write_bytes(damage)
    assert outcome() == "[3.0, 1.0] 0.02 0 0"


def test_a_cache_that_cannot_be_written_to_is_done_without(package, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", full)
    assert compile_environment(LINE)[2]((0.3, 2.0)) == LINE.observe((0.3, 2.0))


def test_numbas_own_setting_says_where_the_cache_is(package, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    assert outcome() == "[3.0, 1.0] 0.02 0 0"
    assert list((tmp_path / "mine" / "vecac").iterdir())
    assert not (tmp_path / "cache").exists()


def test_what_has_not_been_used_for_a_month_is_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "_cache_root", lambda: tmp_path)
    old, recent = tmp_path / "old", tmp_path / "recent"
    for folder, days in ((old, 31), (recent, 29)):
        folder.mkdir()
        (folder / "kernel").write_text("")
        then = time.time() - days * 24 * 3600
        os.utime(folder, (then, then))
    made = compiling._cache_folder(b"content")
    assert made is not None
    assert sorted(tmp_path.iterdir()) == sorted([made, recent])


def test_a_compiled_environment_computes_in_strict_arithmetic():
    reset, step, observe = compile_environment(LINE)
    assert reset((0.25,)) == (-0.25, 0.0)
    assert step((0.9, 3.0), 2) == LINE.step((0.9, 3.0), 2)
    assert observe((0.3, 2.0)) == LINE.observe((0.3, 2.0))
    with pytest.raises(TypeError, match="No matching definition"):
        step((1.0,), 0)


def test_a_division_by_zero_in_an_environment_raises_as_in_plain_python():
    def step(state, action):
        position, steps = state
        return (1.0 / position, steps // action), 0.0, False

    step = compile_environment(dataclasses.replace(LINE, step=step))[1]
    assert step((0.5, 3.0), 2) == ((2.0, 1.0), 0.0, False)
    for state, action in (((0.0, 3.0), 2), ((0.5, 3.0), 0)):
        with pytest.raises(ZeroDivisionError):
            step(state, action)


def test_a_kernel_takes_no_other_arguments_than_it_was_compiled_for():
    from vecac.kernels.mathematics.layers import block_size

    kernel = specialise(block_size, 1, 1)
    assert kernel(130, 3) == 44
    with pytest.raises(TypeError, match="No matching definition"):
        kernel("130", 3)


def test_a_trusting_kernel_computes_the_same():
    from vecac.kernels.mathematics.layers import block_size

    kernel = specialise(block_size, 1, 1)
    assert trusting(kernel)(130, 3) == kernel(130, 3) == 44


def test_what_a_kernel_was_not_specialised_for_is_told():
    require_same_types((np.zeros(2), 1), (np.ones(5), 2))
    for other in ((np.zeros(2, np.float32), 1), (np.zeros((2, 1)), 1), (np.zeros(4)[::2], 1), np.zeros(2)):
        with pytest.raises(ValueError, match="the kernels are for "):
            require_same_types(other, (np.ones(5), 2))


COUNTING = """
from learner_support import discrete
from numba import njit, typeof
from vecac.config import Config
from vecac.kernels.mathematics.model import update
from vecac.kernels.plumbing.compiling import specialise
from vecac.learners.kernel_parameters import KernelParameters
from vecac.seeding import seed_sequences

model = KernelParameters(Config(), 4, discrete(2), seed_sequences(1)).model
arguments = model, 128, 1e-3, 1
plain = njit(update.py_func)
kernel = specialise(update, *arguments)
plain.compile(kernel.signatures[0])
for each in (kernel, plain):
    (code,) = each.inspect_llvm().values()
    print("call void @NRT_incref" in code or "call void @vecac.NRT_incref" in code)
"""


def test_a_kernel_counts_no_references(package, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
    assert run("-c", COUNTING) == (0, "False\nTrue\n", "")


def test_a_kernel_makes_no_array():
    def sum_of_ones():
        return np.ones(3).sum()

    assert compile_environment(dataclasses.replace(LINE, reset=lambda uniforms: (np.ones(3).sum(), 0.0)))
    with pytest.raises(TypingError):
        specialise(sum_of_ones)


@pytest.mark.parametrize(
    "wrong",
    [
        {"reset": lambda uniforms: "here"},
        {"step": lambda state, action: (state, 1.0)},
        {"observe": lambda state: state},  # two numbers, where five were promised
        {"reset": lambda: (0.0, 0.0)},
        {"observe": functools.partial(LINE.observe)},
    ],
)
def test_an_environment_that_cannot_be_compiled_is_refused_in_one_line(wrong):
    with pytest.raises(UsageError, match=r"the compiled environment cannot be compiled: ") as refusal:
        compile_environment(dataclasses.replace(LINE, **wrong))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "step", [njit(LINE.step), functools.partial(LINE.step), eval("lambda state, action: (state, 1.0, False)")]
)
def test_a_step_that_is_no_function_of_a_file_is_refused(step):
    with pytest.raises(UsageError, match="no plain function of a file"):
        compile_environment(dataclasses.replace(LINE, step=step))
