"""Warnings for users."""

import warnings

from vecac.notices import show_warning


def test_a_warning_is_one_plain_line(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show_warning
        warnings.warn("\x1b[33mWARN: two\n  lines\x1b[0m", stacklevel=1)
    assert capsys.readouterr() == ("", "warning: WARN: two lines\n")
