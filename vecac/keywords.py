"""Keyword arguments as they are typed: name=value, where a value is a Python literal."""

import ast
from typing import Any


def parse_keywords(written: str) -> dict[str, Any]:
    """The keywords of "a=1,b='text'", without evaluating anything; ValueError if they are none."""
    try:
        call: Any = ast.parse(f"f({written})", mode="eval").body
        names = [keyword.arg for keyword in call.keywords]
        if not isinstance(call.func, ast.Name) or call.args or None in names or len(set(names)) < len(names):
            raise ValueError("something else than keywords, each given once")
        return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"{written} is not written as name=value with a Python literal for a value: text stands in "
            "quotes, as in name='\"text\"'"
        ) from error
