"""What an action is, to a policy: four forms, whatever shape and numbering an environment gives them."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vecac.errors import UsageError

Kind = Literal["discrete", "multi-discrete", "multi-binary", "box"]


@dataclass(frozen=True)
class ActionForm:
    """The form of an action of one environment.

    kind: what it is; sizes: of what. discrete: an int in [0, sizes[0]). multi-discrete: an int in [0, size)
    for each of the sizes. multi-binary: sizes[0] ints, 0 or 1. box: sizes[0] real numbers.
    """

    kind: Kind
    sizes: tuple[int, ...]

    def __str__(self) -> str:
        """For people."""
        return f"{self.kind} actions of {' x '.join(map(str, self.sizes))}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an action."""
        if self.kind == "discrete":
            return ()
        return (len(self.sizes),) if self.kind == "multi-discrete" else self.sizes

    @property
    def dtype(self) -> type[np.generic]:
        """Of an action: float32 of a box, else int64."""
        return np.float32 if self.kind == "box" else np.int64

    @property
    def num_actions(self) -> int:
        """How many there are to choose from; UsageError if the choice is not one of so many."""
        if self.kind != "discrete":
            raise UsageError(f"there is no number of actions: they are {self.kind}")
        return self.sizes[0]

    def require(self, actions: NDArray[Any]) -> None:
        """Refuse actions (..., *shape) that are none of this form with a ValueError."""
        if self.kind == "box":
            if not np.isfinite(actions).all():
                raise ValueError("actions that are not finite")
            return
        ends = np.array(2 if self.kind == "multi-binary" else self.sizes)
        if not ((actions >= 0) & (actions < (ends if self.shape else ends[0]))).all():
            raise ValueError(f"actions that are not in [0, {ends.tolist() if self.shape else ends[0]})")
