import pytest

from vecac.keywords import parse_keywords


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", {}),
        ("gravity=-5", {"gravity": -5}),
        ("a=1,b=True", {"a": 1, "b": True}),
        ("name='4x4', size=[1, 2]", {"name": "4x4", "size": [1, 2]}),
        ("a=None,b={'x': 1.5},c=(1,2)", {"a": None, "b": {"x": 1.5}, "c": (1, 2)}),
    ],
)
def test_python_literals(written, meant):
    assert parse_keywords(written) == meant


NO_KEYWORDS = [
    *("5", "a", "a=", "=5", "a=1 b=2", "**{'a': 1}", "a-b=1", "(", "a=1\0", ")(", "a=1)+f(b=1"),
    *("a=1,a=2", "a=true", "a=4x4", "a=print", "a=open(1)", "a=__import__(1)", "a=-x", "a={[]: 1}"),
]


@pytest.mark.parametrize("written", NO_KEYWORDS)
def test_whatever_else_is_named_and_not_evaluated(written):
    with pytest.raises(ValueError, match="is not written as name=value with a Python literal") as caught:
        parse_keywords(written)
    assert written in str(caught.value)
