"""Which engine and which learner can run what, and why not: everyone who has to know asks here.

A table: an engine needs some things, and a need tells what stands in its way. Refusals, the choices of
`auto` and the documents' table all come from it. The order of the engines is by speed, which was measured.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import torch

from vecac.config import WITHOUT_WORKERS, Config
from vecac.environments.registry import find_spec, missing_form
from vecac.environments.vector import make_environments
from vecac.errors import UsageError
from vecac.kernels.catalogue import find, registered
from vecac.learners.loss_check import kernels_compute_td_py

VECTOR_FROM = 6
"""Copies from which a vector form steps faster than the same environments one after the other."""


@dataclass(frozen=True)
class Wish:
    """A run that someone would like, and what is found out about it once it is asked for.

    Raises:
        UsageError: there is no such environment, or, where its sizes count, it cannot be made.
    """

    config: Config
    device: torch.device

    @cached_property
    def spec(self) -> Any:
        """Gymnasium's entry of the environment."""
        return find_spec(self.config.env_id)

    @cached_property
    def kernels_compute_td_py(self) -> bool:
        """See loss_check.py; compiles kernels, which can take some seconds the first time."""
        return kernels_compute_td_py(self.config, *self._sizes())

    def _sizes(self) -> tuple[int, int]:
        """The observation's size and the number of actions."""
        has_no_copies = self.config.engine == "vector" or self.spec.entry_point is None
        engine: Any = "vector" if has_no_copies else "sync"
        one = replace(self.config, engine=engine, learner="auto", num_envs=1, **WITHOUT_WORKERS)
        with closing(make_environments(one)) as environments:
            return environments.obs_size, environments.num_actions


class Need(NamedTuple):
    """what: in the words of the documents. obstacle: why a wish does not fulfil it; None if it does."""

    what: str
    obstacle: Callable[[Wish], str | None]


def _no_compiled_form(wish: Wish) -> str | None:
    env_id = wish.config.env_id
    if wish.spec and find(env_id) is not None:  # the former imports the module that may register it
        return None
    return f"{env_id} has no compiled form, as {' and '.join(registered())} have"


def _not_next_step(wish: Wish) -> str | None:
    mode = wish.config.autoreset_mode
    return f"it has no --autoreset-mode {mode}" if mode != "next-step" else None


def _learns_by_torch(wish: Wish) -> str | None:
    return "it does not learn by --learner torch" if wish.config.learner == "torch" else None


def _not_on_the_cpu(wish: Wish) -> str | None:
    if wish.config.device.startswith("cuda") or wish.device.type != "cpu":
        return f"kernels run on the CPU, not on --device {wish.config.device}"
    return None


def _td_lambda(wish: Wish) -> str | None:
    return "kernels have no --td-lambda" if wish.config.td_lambda > 0 else None


def _another_loss(wish: Wish) -> str | None:
    if wish.kernels_compute_td_py:
        return None
    return "the kernels compute another loss than vecac/algorithm/td.py"


KERNELS = (
    Need("--device cpu", _not_on_the_cpu),
    Need("--td-lambda 0", _td_lambda),
    Need("the loss of algorithm/td.py as the kernels know it", _another_loss),
)
SINGLE_FORM = Need("a single form", lambda wish: missing_form("sync", wish.spec))

ENGINES: Mapping[str, tuple[Need, ...]] = {
    "fused": (
        Need("a compiled form", _no_compiled_form),
        Need("--autoreset-mode next-step", _not_next_step),
        Need("--learner auto or compiled", _learns_by_torch),
        *KERNELS,
    ),
    "vector": (Need("a vector form of its own", lambda wish: missing_form("vector", wish.spec)),),
    "sync": (SINGLE_FORM,),
    "async": (SINGLE_FORM,),
}
"""What each engine needs. A vector form's autoreset mode is not known before it is made; see autoreset.py."""

LEARNERS: Mapping[str, tuple[Need, ...]] = {"compiled": KERNELS, "torch": ()}


def obstacle(needs: tuple[Need, ...], wish: Wish) -> str | None:
    """The first that is in the way; None if there is nothing. Costly questions stand last."""
    return next(filter(None, (need.obstacle(wish) for need in needs)), None)


def fastest_engine(wish: Wish) -> tuple[str, str]:
    """The engine for `auto`, and why."""
    config, out = wish.config, ""
    order = ["fused", "vector", "sync"]
    # Gymnasium's own vector forms have this mode alone.
    if config.num_envs < VECTOR_FROM or config.autoreset_mode != "next-step":
        order = ["fused", "sync", "vector"]
    for engine in order:
        in_the_way = obstacle(ENGINES[engine], wish)
        if in_the_way is None:
            return engine, f"it is the fastest for these settings{out}"
        out += f"; {engine} is out: {in_the_way}"
    raise UsageError(f"--engine auto finds none{out}")
