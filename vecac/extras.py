"""Packages that only some commands need."""

from importlib.util import find_spec

from vecac.errors import UsageError

EXTRAS = {
    "study": ("scipy", "matplotlib"),
    "tune": ("optuna",),
    "cluster": ("ray",),
    "export": ("onnx", "onnxscript", "onnxruntime"),
    "video": ("imageio_ffmpeg", "pygame"),
}
"""By the extra of pyproject.toml that brings them."""


def require_extras(*extras: str) -> None:
    """Refuse, with a UsageError that says what to do, to go on without the packages of extras."""
    missing = [name for extra in extras for name in EXTRAS[extra] if find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        *others, last = missing
        names = f"{', '.join(others)} and {last}" if others else last
        raise UsageError(
            f"{names} {verb} not installed: pip install -c constraints.txt -e '.[{','.join(extras)}]'"
        )
