"""vecac: a vectorized, high-throughput TD actor-critic trainer."""

from typing import TYPE_CHECKING

from vecac.version import __version__ as __version__

if TYPE_CHECKING:
    from os import PathLike

    from vecac.runs.loaded_policy import Policy


def load(
    run: "str | PathLike[str]",
    checkpoint: str | int | None = None,
    *,
    sampled: bool = False,
    seed: int | None = None,
) -> "Policy":
    """The policy of a run: `action, = vecac.load("logs/<run>")(obs)`.

    Args:
        run: the run's folder, or the file of one of its checkpoints.
        checkpoint: best, latest, or the env steps at which one was kept; left out, best if there is one.
        sampled: draw actions instead of taking the most probable.
        seed: of the draws; None is another each time.

    Raises:
        UsageError: there is no such run or checkpoint, it is damaged, or its environment cannot be made.
    """
    from pathlib import Path  # here, so that `import vecac` takes no time

    from vecac.runs.loaded_policy import Policy
    from vecac.runs.saved_policy import load_policy

    return Policy(load_policy(Path(run), checkpoint), sampled, seed)
