import numpy as np
import pytest

from vecac.actions import ActionForm
from vecac.errors import UsageError

DISCRETE, MANY = ActionForm("discrete", (3,)), ActionForm("multi-discrete", (2, 5))
BITS, REAL = ActionForm("multi-binary", (4,)), ActionForm("box", (2,))


@pytest.mark.parametrize(
    ("form", "shape", "dtype"),
    [(DISCRETE, (), np.int64), (MANY, (2,), np.int64), (BITS, (4,), np.int64), (REAL, (2,), np.float32)],
)
def test_an_action_of_each_form(form, shape, dtype):
    assert (form.shape, form.dtype) == (shape, dtype)


def test_only_a_choice_of_one_has_a_number_of_actions():
    assert DISCRETE.num_actions == 3
    for form in (MANY, BITS, REAL):
        with pytest.raises(UsageError, match=form.kind):
            print(form.num_actions)


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        (DISCRETE, [0, 2], [0, 3]),
        (DISCRETE, [0, 2], [-1, 0]),
        (MANY, [[1, 4]], [[2, 4]]),
        (MANY, [[0, 0]], [[0, 5]]),
        (BITS, [[0, 1, 1, 0]], [[0, 1, 2, 0]]),
        (REAL, [[1e30, -1.0]], [[np.nan, 0.0]]),
        (REAL, [[0.0, 0.0]], [[np.inf, 0.0]]),
    ],
)
def test_what_is_none_of_the_form_is_refused(form, good, bad):
    assert form.require(np.array(good)) is None, "they were refused"
    with pytest.raises(ValueError, match="actions that are not"):
        form.require(np.array(bad))
