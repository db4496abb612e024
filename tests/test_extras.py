"""The packages of the extra."""

import re
import tomllib
from pathlib import Path

import pytest

from vecac import extras as packages
from vecac.errors import UsageError


@pytest.mark.parametrize(
    ("missing", "extras", "said"),
    [
        (("scipy",), ["study"], "scipy is not installed: pip install -c constraints.txt -e '.[study]'"),
        (("scipy", "matplotlib"), ["study"], "scipy and matplotlib are not installed: pip install"),
        (
            ("optuna",),
            ["study", "tune"],
            "optuna is not installed: pip install -c constraints.txt -e '.[study,tune]'",
        ),
    ],
)
def test_what_is_missing_is_named_with_the_remedy(monkeypatch, missing, extras, said):
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name in missing else "there")
    with pytest.raises(UsageError, match=r"pip install") as caught:
        packages.require_extras(*extras)
    assert str(caught.value).startswith(said)


def test_extras_bring_what_is_asked_for():
    with open(Path(__file__).parents[1] / "pyproject.toml", "rb") as file:
        known = tomllib.load(file)["project"]["optional-dependencies"]
    brings = {"imageio-ffmpeg": {"imageio_ffmpeg"}, "gymnasium": {"pygame"}}
    for extra, names in packages.EXTRAS.items():
        required = [re.match(r"[\w-]+", requirement)[0] for requirement in known[extra]]
        assert set().union(*(brings.get(name, {name}) for name in required)) == set(names)
