"""Which engine and which learner can run what, and why not: everyone who has to know asks here.

Refusals, the choices of `auto` and the table in docs/reference.md come from REQUIREMENTS; what it needs of
flags alone is in config.py, which refuses them before anything is looked up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from vecac.actions import ActionForm
from vecac.config import Config
from vecac.config_rules import NEEDS, WITHOUT_WORKERS, unmet
from vecac.environments.registry import find_spec, missing_form
from vecac.environments.vector import make_environments, spaces_of
from vecac.errors import UsageError
from vecac.kernels.catalogue import find, registered
from vecac.learners.loss_check import kernels_compute_td_py

VECTOR_FROM = 8
"""Copies from which a vector form steps faster than the same environments one after the other."""


@dataclass(frozen=True)
class Wish:
    """A run that someone would like, and what is found out about it once it is asked for.

    Raises:
        UsageError: there is no such environment, or, where its sizes count, it cannot be made.
    """

    config: Config

    @cached_property
    def spec(self) -> Any:
        """Gymnasium's entry of the environment."""
        return find_spec(self.config.env_id)

    @cached_property
    def form(self) -> tuple[int, ActionForm]:
        """The observation's size and the form of an action."""
        return spaces_of(self.config)[2:]

    def vector_form_fault(self) -> str | None:
        """Why the environment's vector form cannot be had where single environments could; it is made to see.

        Its autoreset mode, and the keywords that it takes, are not known before.
        """
        if self.spec.entry_point is None:
            return None
        try:
            make_environments(replace(self.config, engine="vector", **WITHOUT_WORKERS)).close()
        except UsageError as error:
            return str(error)
        return None

    @cached_property
    def kernels_compute_td_py(self) -> bool:
        """See loss_check.py; compiles kernels, which can take some seconds the first time."""
        obs_size, action = self.form
        hides_final_obs = self.config.autoreset_mode != "next-step"
        return kernels_compute_td_py(self.config, obs_size, action, hides_final_obs)


class Requirement(NamedTuple):
    """what: as the documents say it. obstacle: why a wish does not fulfil it; None if it does."""

    what: str
    obstacle: Callable[[Wish], str | None]


def _compiled_form(wish: Wish) -> str | None:
    env_id, spec = wish.config.env_id, wish.spec  # whose module may register one
    environment = find(env_id)
    if environment is None:
        return f"{env_id} has no compiled form, as {', '.join(registered())} have"
    ours, theirs = (environment.obs_size, environment.action), wish.form
    if ours == theirs:
        return None
    parts = (f"{obs_size} numbers to observe and {action}" for obs_size, action in (ours, theirs))
    return f"the compiled form of {spec.id} has {', Gymnasium has '.join(parts)}"


def _known_actions(wish: Wish) -> str | None:
    kind = wish.form[1].kind
    return f"the actions of {wish.config.env_id} are {kind}" if kind == "multi-binary" else None


def _loss(wish: Wish) -> str | None:
    if wish.kernels_compute_td_py:
        return None
    return "the kernels compute another loss than vecac/algorithm/td.py"


def _flags(choice: str) -> Requirement:
    return Requirement(
        "; ".join(dict.fromkeys(need.which for need in NEEDS[choice].values())),
        lambda wish: next((f"{choice} {need.which}" for _, need in unmet(wish.config, choice)), None),
    )


_SINGLE_FORM = Requirement("steps single environments", lambda wish: missing_form("sync", wish.spec))
_LOSS = Requirement("computes the loss of algorithm/td.py, or is not used", _loss)

REQUIREMENTS: Mapping[str, tuple[Requirement, ...]] = {
    "--engine fused": (Requirement("steps compiled forms", _compiled_form), _flags("--engine fused"), _LOSS),
    "--engine vector": (
        Requirement("steps an environment's own vector form", lambda wish: missing_form("vector", wish.spec)),
        _flags("--engine vector"),
    ),
    "--engine sync": (_SINGLE_FORM, _flags("--engine sync")),
    "--engine async": (_SINGLE_FORM,),
    "--learner compiled": (
        _flags("--learner compiled"),
        Requirement("acts by choices or real numbers (Discrete, MultiDiscrete, Box)", _known_actions),
        _LOSS,
    ),
    "--learner torch": (),
}
"""Costly questions stand last."""


def obstacle(choice: str, wish: Wish) -> str | None:
    """What stands in the way of an engine or a learner, named as it is typed; None if there is nothing."""
    return next(filter(None, (required.obstacle(wish) for required in REQUIREMENTS[choice])), None)


def fastest_engine(wish: Wish) -> tuple[Any, str]:
    """The engine for `auto`, and why."""
    config, out = wish.config, ""
    # Gymnasium's own vector forms have this mode alone.
    vector_first = config.num_envs >= VECTOR_FROM and config.autoreset_mode == "next-step"
    for engine in ("fused", "vector", "sync") if vector_first else ("fused", "sync", "vector"):
        in_the_way = obstacle(f"--engine {engine}", wish)
        if engine == "vector" and in_the_way is None:
            in_the_way = wish.vector_form_fault()
        if in_the_way is None:
            return engine, f"it is the fastest for these settings{out}"
        out += f"; {engine} is out: {in_the_way}"
    raise UsageError(f"--engine auto finds none{out}: name the --engine that you mean")
