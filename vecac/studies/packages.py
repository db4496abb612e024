"""What studies need beyond training."""

from importlib.util import find_spec

from vecac.errors import UsageError


def require_packages() -> None:
    """Refuse, with a UsageError that says what to do, to go on without the packages of the extra."""
    missing = [name for name in ("scipy", "matplotlib") if find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise UsageError(
            f"{' and '.join(missing)} {verb} not installed: pip install -c constraints.txt -e '.[study]'"
        )
