import numpy as np
import pytest
from gymnasium import spaces

from vecac.actions import ActionForm
from vecac.environments.action_space import ActionSender, action_form
from vecac.errors import RunFault, UsageError

N = 2


def sent(space, action):
    return ActionSender(action_form("Any-v0", space), space, N).send(np.asarray(action))


@pytest.mark.parametrize(
    ("space", "form"),
    [
        (spaces.Discrete(3), ("discrete", (3,))),
        (spaces.Discrete(3, start=-7), ("discrete", (3,))),
        (spaces.MultiDiscrete([2, 5]), ("multi-discrete", (2, 5))),
        (spaces.MultiDiscrete([[2, 5], [3, 4]]), ("multi-discrete", (2, 5, 3, 4))),
        (spaces.MultiBinary(4), ("multi-binary", (4,))),
        (spaces.MultiBinary((2, 3)), ("multi-binary", (6,))),
        (spaces.Box(-1, 1, (3,)), ("box", (3,))),
        (spaces.Box(-np.inf, np.inf, (2, 2), np.float64), ("box", (4,))),
        (spaces.Box(-1, 1, ()), ("box", (1,))),
    ],
    ids=str,
)
def test_the_form_of_a_space(space, form):
    assert action_form("Any-v0", space) == ActionForm(*form)


@pytest.mark.parametrize(
    "space",
    [spaces.Text(3), spaces.Box(0, 9, (2,), np.int64), spaces.Box(0, 1, (0,)), spaces.Tuple([])],
    ids=str,
)
def test_what_has_no_form_is_refused_by_name(space):
    with pytest.raises(UsageError) as caught:
        action_form("Any-v0", space)
    assert str(caught.value).startswith(f"--env-id Any-v0 has the action space {space}: only Discrete, ")


def test_choices_are_counted_from_the_start_of_the_space():
    assert sent(spaces.Discrete(3), [0, 2]).tolist() == [0, 2]
    assert sent(spaces.Discrete(3, start=-7), [0, 2]).tolist() == [-7, -5]
    assert sent(spaces.Discrete(3, start=2, dtype=np.int8), [0, 2]).tolist() == [2, 4]
    assert sent(spaces.Discrete(3, dtype=np.int8), [0, 2]).dtype == np.int8
    assert sent(spaces.MultiDiscrete([2, 5], start=[1, -3]), [[0, 4], [1, 0]]).tolist() == [[1, 1], [2, -3]]


def test_they_have_the_shape_and_dtype_of_the_space():
    many = sent(spaces.MultiDiscrete([[2, 5], [3, 4]]), [[1, 4, 2, 3], [0, 1, 2, 0]])
    assert many.tolist() == [[[1, 4], [2, 3]], [[0, 1], [2, 0]]]
    bits = sent(spaces.MultiBinary((1, 2)), [[1, 0], [1, 1]])
    assert (bits.tolist(), bits.dtype) == ([[[1, 0]], [[1, 1]]], np.int8)
    for space, shape in ((spaces.Box(-1, 1, (2, 1), np.float64), (N, 2, 1)), (spaces.Box(-1, 1, ()), (N,))):
        action = sent(space, np.zeros((N, int(np.prod(space.shape))), np.float32))
        assert (action.shape, action.dtype) == (shape, space.dtype)


def test_real_numbers_are_clipped_to_the_bounds_on_their_way():
    space = spaces.Box(np.array([-1, -np.inf], np.float32), np.array([2, np.inf], np.float32))
    given = np.array([[5, 1e9], [-5, -1e9]], np.float32)
    assert sent(space, given).tolist() == [[2, 1e9], [-1, -1e9]]
    assert given[0, 0] == 5, "the loss is to have them unclipped"


def test_bounds_that_float32_would_round_up_are_kept_to():
    space = spaces.Box(-0.1, 0.1, (1,), np.float64)
    assert space.contains(sent(space, np.full((N, 1), 7, np.float32))[0])


@pytest.mark.parametrize(
    ("space", "action"),
    [
        (spaces.Discrete(3), [0, 1, 2]),
        (spaces.Discrete(3), [[0], [1]]),
        (spaces.Discrete(3), [0.0, 1.0]),
        (spaces.Discrete(3), [True, False]),
        (spaces.MultiDiscrete([2, 5]), [0, 1]),
        (spaces.MultiBinary(3), [[0, 1], [1, 0]]),
        (spaces.Box(-1, 1, (1,)), [[0], [1]]),
        (spaces.Box(-1, 1, (1,)), [0.0, 1.0]),
    ],
    ids=str,
)
def test_actions_of_another_shape_or_kind_are_not_sent(space, action):
    with pytest.raises(ValueError, match=r"^action must be "):
        sent(space, action)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_number_that_is_none_is_the_policys_fault(number):
    with pytest.raises(RunFault, match=r"^the policy draws actions that are not finite: lower"):
        sent(spaces.Box(-1, 1, (1,)), np.array([[0.0], [number]], np.float32))
