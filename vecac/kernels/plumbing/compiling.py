"""Compiling, with a cache on disk that is never stale.

numba's own cache looks at the file of the cached function alone, not at those that it calls into. So a
kernel's folder is named after the content of all of vecac/kernels, and an environment's after whatever its
functions reach (fingerprint.py).
"""

import hashlib
import inspect
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from numba import njit, typeof, types

from vecac.errors import UsageError
from vecac.kernels.environment import CompiledEnvironment
from vecac.kernels.plumbing import numba_internals
from vecac.kernels.plumbing.fingerprint import constants_of, fingerprint, plain_function, reached_functions

KERNELS = Path(__file__).parents[1]
"""The folder of everything that a kernel may call."""

_DECORATING = threading.Lock()
"""numba has one setting of the cache's folder for all threads."""

_OF_KERNELS: dict[str, Any] = {"error_model": "numpy", **numba_internals.UNCOUNTED}

_OF_ENVIRONMENTS: dict[str, Any] = {"error_model": "python"}  # may make arrays: they are users' own

KEPT_SECONDS = 30 * 24 * 3600
"""After so long without use a cache is deleted."""


def _cache_root() -> Path:
    """Where numba was told to keep its caches, or else where this user's are."""
    told = numba.config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME")
    return Path(told or Path.home() / ".cache") / "vecac"


def _cache_folder(content: bytes) -> Path | None:
    """A writable folder for what is compiled from this content; None if there is none."""
    digest = hashlib.sha256(numba.__version__.encode())
    for source in (__file__, numba_internals.__file__):  # how it is compiled
        digest.update(Path(source).read_bytes())
    digest.update(content)
    try:
        root = _cache_root()
        folder = root / digest.hexdigest()[:16]
        if not folder.exists():
            folder.mkdir(parents=True)
            _delete_old(root)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError):  # read-only, a file in its place, full; or there is no home
        return None
    return folder


def _delete_old(root: Path) -> None:
    for folder in root.iterdir():
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(folder)


def specialise(function: Any, *args: Any) -> Any:
    """Compile a kernel, a function decorated by numba, for arguments like these, or load it from the cache.

    Functions of `compile_environment` are passed as pointers, so that a kernel can be cached apart from
    the environment. The result releases the GIL, and refuses arguments of other types.
    """
    arg_types = tuple(
        types.FunctionType(arg.nopython_signatures[0]) if hasattr(arg, "nopython_signatures") else typeof(arg)
        for arg in args
    )
    return _specialise_once(plain_function(function), arg_types)


def trusting(kernel: Any) -> Callable[..., Any]:
    """A specialised kernel that does not look at its arguments' types, which takes longer than most calls do.

    With others than it was specialised for, which `require_same_types` refuses, it writes anywhere in memory.
    """
    return numba_internals.entry_point(kernel)


def require_same_types(memory: Any, other: Any) -> None:
    """ValueError: a kernel that was specialised for one does not know the other."""
    if typeof(memory) != typeof(other):
        raise ValueError(f"the kernels are for {typeof(other)}, not for {typeof(memory)}")


@cache
def _specialise_once(function: Callable[..., Any], arg_types: tuple[Any, ...]) -> Any:
    """What a process has compiled serves all who ask for it."""
    sources = b"".join(path.read_bytes() for path in sorted(KERNELS.rglob("*.py")))
    return _compile(function, arg_types, _cache_folder(sources), _OF_KERNELS)


def compile_environment(environment: CompiledEnvironment) -> tuple[Any, Any, Any]:
    """The environment's reset, step and observe as compiled functions, in strict arithmetic.

    A division by zero raises, as in plain Python.

    Raises:
        UsageError: one of them is no plain function, or cannot be compiled to the type that
            CompiledEnvironment asks for.
    """
    state = types.UniTuple(types.float64, environment.state_size)
    obs = types.UniTuple(types.float64, environment.obs_size)
    uniforms = types.UniTuple(types.float64, environment.num_uniforms)
    form = environment.action
    kind = types.float64 if form.kind == "box" else types.int64
    action = types.UniTuple(kind, form.shape[0]) if form.shape else kind
    transition = types.Tuple((state, types.float64, types.boolean))
    functions: list[Callable[..., Any]] = [environment.reset, environment.step, environment.observe]
    signatures = [state(uniforms), transition(state, action), obs(state)]
    file = inspect.getsourcefile(environment.step) if inspect.isfunction(environment.step) else None
    if file is None or not Path(file).is_file():
        raise UsageError(f"a compiled environment's step is {environment.step}, no plain function of a file")
    _require_unchanged(functions)
    reached = fingerprint(functions)
    folder = None if reached is None else _cache_folder(reached.encode())
    try:
        reset, step, observe = (
            _compile(*pair, folder, _OF_ENVIRONMENTS) for pair in zip(functions, signatures, strict=True)
        )
    except Exception as error:  # numba refuses in many ways
        reason = " ".join(str(error).split())
        raise UsageError(f"{file}: the compiled environment cannot be compiled: {reason}") from error
    return reset, step, observe


_constants: dict[FunctionType, str] = {}
"""Of the helpers of compiled environments, when this process first compiled them."""


def _require_unchanged(functions: Sequence[Callable[..., Any]]) -> None:
    """Refuse helpers that have changed since: numba would go on with what it made of them, without a word."""
    for helper in reached_functions([function for function in functions if inspect.isfunction(function)]):
        now = constants_of(helper)
        if _constants.setdefault(helper, now) != now:
            raise UsageError(
                f"{helper.__qualname__}, which a compiled environment calls, has other constants than when "
                "this process first compiled it: start a new process"
            )


def _compile(
    function: Callable[..., Any], signature: Any, folder: Path | None, options: dict[str, Any]
) -> Any:
    """A dispatcher with this one signature, kept in the folder if there is one and it can be used."""
    if folder is not None:
        try:
            return _dispatcher(function, signature, folder, options)
        except Exception:
            # A damaged file in the cache, a full disk; or the function itself, which shows below.
            shutil.rmtree(folder, ignore_errors=True)
    return _dispatcher(function, signature, None, options)


def _dispatcher(
    function: Callable[..., Any], signature: Any, folder: Path | None, options: dict[str, Any]
) -> Any:
    with _DECORATING:
        before = numba.config.CACHE_DIR
        try:
            numba.config.CACHE_DIR = str(folder or before)  # read while numba decorates
            dispatcher = njit(
                nogil=True,
                cache=folder is not None,
                pipeline_class=numba_internals.SelfContainedCompiler,
                **options,
            )(function)
        finally:
            numba.config.CACHE_DIR = before
    dispatcher.compile(signature)
    dispatcher.disable_compile()  # a call would compile it anew, environment included
    return dispatcher
