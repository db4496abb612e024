import dataclasses
import math

import numpy as np
import pytest

from vecac.actions import ActionForm
from vecac.errors import UsageError
from vecac.kernels.environments.cartpole import CARTPOLE


@pytest.mark.parametrize("name", ["num_uniforms", "state_size", "obs_size", "num_actions"])
@pytest.mark.parametrize("size", [0, -1, 2.0, True, None])
def test_a_size_that_is_none_is_refused_by_name(name, size):
    with pytest.raises(UsageError, match=f"^a compiled environment's {name} is {size!r}, which must be"):
        dataclasses.replace(CARTPOLE, **{name: size})


def test_an_action_is_of_one_form():
    assert CARTPOLE.action == ActionForm("discrete", (2,))
    assert dataclasses.replace(CARTPOLE, num_actions=(3, 2)).action == ActionForm("multi-discrete", (3, 2))
    real = {"num_actions": (), "action_bounds": ((-1.0, 1.0), (0.0, math.inf))}
    assert dataclasses.replace(CARTPOLE, **real).action == ActionForm("box", (2,))


@pytest.mark.parametrize("given", [{"num_actions": ()}, {"action_bounds": ((-1.0, 1.0),)}])
def test_no_actions_and_two_kinds_of_them_are_refused(given):
    with pytest.raises(UsageError, match=r"^a compiled environment has either num_actions or action_bounds"):
        dataclasses.replace(CARTPOLE, **given)


@pytest.mark.parametrize(
    "bounds",
    [
        *(((math.nan, 1.0),), ((1.0, 0.5),), ((math.inf, math.inf),), ((None, 1.0),), ((-1, 1, 3),)),
        *((-1.0, 1.0), [(-1.0, 1.0)], np.array([[-1.0, 1.0]]), zip([-1.0], [1.0], strict=True)),
    ],
)
def test_bounds_that_are_none_are_refused(bounds):
    with pytest.raises(UsageError, match=r"action_bounds are .*, which must be a tuple with a pair"):
        dataclasses.replace(CARTPOLE, num_actions=(), action_bounds=bounds)


@pytest.mark.parametrize("sizes", [(2, 0), (2, True), [2, 3], np.array([2, 3])])
def test_every_choice_has_a_size(sizes):
    with pytest.raises(UsageError, match=r"^a compiled environment's num_actions is"):
        dataclasses.replace(CARTPOLE, num_actions=sizes)
