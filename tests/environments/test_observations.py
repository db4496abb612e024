import numpy as np
import pytest
from gymnasium import spaces

from vecac.environments.observations import checked, flattened, is_flat, require_observation_space
from vecac.errors import EnvironmentFault, UsageError

NESTED = spaces.Dict(
    {
        "a": spaces.Discrete(3, start=4),
        "b": spaces.Tuple([spaces.Box(-1, 1, (2, 2)), spaces.MultiBinary(2)]),
        "c": spaces.MultiDiscrete([2, 3], start=[0, 5]),
        "d": spaces.Box(0, 255, (1,), np.uint8),
    }
)
SPACES = [
    spaces.Box(-1, 1, (3,)),
    spaces.Box(-1, 1, (2, 3), np.float64),
    spaces.Box(-5, 5, (), np.float32),
    spaces.Box(0, 255, (4, 4), np.uint8),
    spaces.Discrete(5),
    spaces.Discrete(5, start=-2),
    spaces.MultiDiscrete([2, 3]),
    spaces.MultiDiscrete([[2, 3], [4, 5]]),
    spaces.MultiBinary(4),
    spaces.MultiBinary((2, 3)),
    spaces.Tuple([spaces.Discrete(2), spaces.Box(-1, 1, (2,))]),
    NESTED,
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_they_are_flattened_as_gymnasium_does(space):
    assert require_observation_space("Any-v0", space) is None, "it was refused"
    space.seed(1)
    for _ in range(20):
        obs = space.sample()
        row = flattened(space, obs, "environment 0")
        assert row.dtype == np.float32
        assert np.array_equal(row, spaces.flatten(space, obs).astype(np.float32))
        assert row.shape == (spaces.flatdim(space),)


def test_a_row_by_hand():
    obs = {
        "a": 5,
        "b": (np.array([[0.5, 0], [0, -1]], np.float32), np.array([0, 1])),
        "c": [1, 5],
        "d": [7],
    }
    row = flattened(NESTED, obs, "environment 0")
    assert row.tolist() == [0, 1, 0, 0.5, 0, 0, -1, 0, 1, 0, 1, 1, 0, 0, 7]


@pytest.mark.parametrize(
    ("space", "flat"), [(space, index == 0) for index, space in enumerate(SPACES)], ids=str
)
def test_only_a_box_of_one_dimension_is_flat_as_it_is(space, flat):
    assert is_flat(space) == flat


def valid():
    return {"a": 4, "b": (np.zeros((2, 2)), np.zeros(2, np.int8)), "c": np.array([0, 5]), "d": [0]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"a": 3}, "the observation 'a' 3, which is not in Discrete(3, start=4)"),
        ({"a": 7}, "the observation 'a' 7, which is not in"),
        ({"a": 4.5}, "the observation 'a' 4.5, which its observation space's dtype int64 cannot hold"),
        ({"a": [4]}, "an observation 'a' of shape (1,), but its observation space says ()"),
        ({"a": "x"}, "the observation 'a' x, which its observation space's dtype int64 cannot hold"),
        ({"b": (np.zeros((2, 2)),)}, "which has not the parts of Tuple"),
        ({"b": (np.full((2, 2), np.nan), [0, 0])}, "the observation 'b' 0 [[nan, nan], [nan, nan]]; only"),
        ({"b": (np.full((2, 2), 1e300), [0, 0])}, "only finite float32 numbers can be learned from"),
        ({"b": (np.zeros(4), [0, 0])}, "an observation 'b' 0 of shape (4,), but its observation space says"),
        ({"b": (np.zeros((2, 2)), [0, 2])}, "the observation 'b' 1 [0, 2], which is not in MultiBinary(2)"),
        ({"c": [2, 5]}, "the observation 'c' [2, 5], which is not in"),
        ({"c": [0, 4]}, "the observation 'c' [0, 4], which is not in"),
        ({"d": [256]}, "the observation 'd' [256], which its observation space's dtype uint8 cannot hold"),
        ({"e": 1}, "which has not the keys of Dict"),
    ],
    ids=str,
)
def test_what_is_none_of_the_space_is_named_before_it_is_flattened(changed, said):
    assert checked(NESTED, valid(), "environment 0", "observation"), "the valid one was refused"
    with pytest.raises(EnvironmentFault) as caught:
        flattened(NESTED, valid() | changed, "environment 0")
    assert str(caught.value).startswith("environment 0 returned ")
    assert said in str(caught.value)


@pytest.mark.parametrize("obs", [None, 5, [1, 2], {"a": 4}])
def test_what_is_no_dict_is_named(obs):
    with pytest.raises(EnvironmentFault, match="has not the keys of"):
        flattened(NESTED, obs, "environment 0")


@pytest.mark.parametrize(
    ("space", "said"),
    [
        (spaces.Text(5), "only Box, Discrete, MultiDiscrete, MultiBinary, and Dict and Tuple of these are"),
        (spaces.Sequence(spaces.Discrete(2)), "only Box, Discrete,"),
        (spaces.Dict({"a": spaces.Text(5)}), "only Box, Discrete,"),
        (spaces.Box(0, 255, (8, 8, 3), np.uint8), "pictures are not supported"),
        (spaces.Box(0, 255, (4, 8, 8, 1), np.uint8), "pictures are not supported"),
        (spaces.Dict({"eye": spaces.Box(0, 255, (8, 8, 1), np.uint8)}), "pictures are not supported"),
        (spaces.Box(0, 1, (0,)), "there is nothing in it to learn from"),
        (spaces.Dict({}), "there is nothing in it to learn from"),
    ],
    ids=str,
)
def test_what_cannot_be_flattened_or_learned_from_is_refused(space, said):
    with pytest.raises(UsageError) as caught:
        require_observation_space("Any-v0", space)
    assert str(caught.value).startswith(f"--env-id Any-v0 has the observation space {space}: ")
    assert said in str(caught.value)
