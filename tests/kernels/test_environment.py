import dataclasses

import pytest

from vecac.errors import UsageError
from vecac.kernels.environments.cartpole import CARTPOLE


@pytest.mark.parametrize("name", ["num_uniforms", "state_size", "obs_size", "num_actions"])
@pytest.mark.parametrize("size", [0, -1, 2.0, True, None])
def test_a_size_that_is_none_is_refused_by_name(name, size):
    with pytest.raises(UsageError, match=f"^a compiled environment's {name} is {size!r}, which must be"):
        dataclasses.replace(CARTPOLE, **{name: size})
