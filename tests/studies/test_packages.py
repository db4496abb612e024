"""The packages of the extra."""

import pytest

from vecac.errors import UsageError
from vecac.studies import packages


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (("scipy",), "scipy is not installed: pip install -c constraints.txt -e '.[study]'"),
        (("scipy", "matplotlib"), "scipy and matplotlib are not installed: pip install"),
    ],
)
def test_what_is_missing_is_named_with_the_remedy(monkeypatch, missing, said):
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name in missing else "there")
    with pytest.raises(UsageError, match=r"pip install") as caught:
        packages.require_packages()
    assert str(caught.value).startswith(said)


def test_nothing_is_missing_here():
    packages.require_packages()
