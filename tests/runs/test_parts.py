"""Every part of a checkpoint has its owner, who is named where it is none."""

import pytest

from vecac.runs.parts import RUN_PARTS, load_parts


class Owner:
    def __init__(self):
        self.state = None

    def load_state_dict(self, state):
        if state == "wrong":
            raise TypeError("that is none")
        self.state = state


def test_every_owner_takes_its_part():
    owners = {name: Owner() for name in RUN_PARTS}
    load_parts(owners, {name: name for name in RUN_PARTS})
    assert {name: owner.state for name, owner in owners.items()} == {name: name for name in RUN_PARTS}


@pytest.mark.parametrize("wrong", RUN_PARTS)
def test_a_part_that_is_none_is_named(wrong):
    with pytest.raises(ValueError, match=f"^run.{wrong}: that is none$"):
        load_parts({name: Owner() for name in RUN_PARTS}, dict.fromkeys(RUN_PARTS, 1) | {wrong: "wrong"})


@pytest.mark.parametrize("run", [5, {}, {"log": 1}, dict.fromkeys((*RUN_PARTS, "more"), 1)])
def test_parts_that_are_missing_or_too_many_are_refused(run):
    with pytest.raises(ValueError, match=r"^run has not the parts statistics, "):
        load_parts({name: Owner() for name in RUN_PARTS}, run)
