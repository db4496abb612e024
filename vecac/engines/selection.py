"""Which engine and learner a run uses, and making them."""

from collections.abc import Callable
from dataclasses import replace

import torch

from vecac.actions import ActionForm
from vecac.config import Config
from vecac.config_rules import typed
from vecac.engines.capabilities import Wish, fastest_engine, obstacle
from vecac.engines.compiled_form import require_same_steps
from vecac.engines.contracts import Engine, Learner
from vecac.engines.fused_engine import FusedEngine, Kernels
from vecac.engines.gymnasium_engine import GymnasiumEngine
from vecac.environments.registry import find_spec
from vecac.environments.vector import Environments, make_environments
from vecac.errors import UsageError
from vecac.kernels.catalogue import find
from vecac.kernels.plumbing.compiling import compile_environment
from vecac.learners.compiled_learner import CompiledLearner
from vecac.learners.torch_learner import TorchLearner
from vecac.seeding import seed_sequences


def resolve(config: Config, resumed: bool = False) -> tuple[Config, list[str]]:
    """The config with `auto` replaced by the engine and the learner, and a line on each choice.

    Compiles the kernels that it compares with td.py, which can take some seconds the first time.

    Raises:
        UsageError: what was asked for by name cannot run here.
    """
    wish, lines = Wish(config), list[str]()
    elsewhere = ", in a new run" if resumed else ""  # a saved run keeps its engine and learner
    if config.engine == "auto":
        engine, reason = fastest_engine(wish)
        config = replace(config, engine=engine)
        lines.append(f"--engine auto: {engine}, since {reason}")
    elif config.engine == "fused":
        _require("--engine fused", wish, f"--engine auto{elsewhere}")
    if config.engine == "fused":
        return replace(config, learner="compiled"), lines
    if config.learner == "compiled":
        _require("--learner compiled", wish, f"--learner torch{elsewhere}")
    if config.learner == "auto":
        in_the_way = obstacle("--learner compiled", wish)
        config = replace(config, learner="compiled" if in_the_way is None else "torch")
        lines.append(
            f"--learner auto: {config.learner}, since {in_the_way or 'it is the fastest on the CPU'}"
        )
    return config, lines


def _require(choice: str, wish: Wish, otherwise: str) -> None:
    in_the_way = obstacle(choice, wish)
    if in_the_way is not None:
        raise UsageError(f"{choice} cannot run this: {in_the_way}; use {otherwise}")


def make_engine(config: Config, device: torch.device, num_threads: int) -> Engine:
    """The engine of a resolved config; compiles what it needs, which can take half a minute the first time.

    Raises:
        UsageError: the environments cannot be made.
    """
    return engine_maker(config, device, num_threads)(config.seed)


def engine_maker(config: Config, device: torch.device, num_threads: int) -> Callable[[int], Engine]:
    """`make_engine` for one seed after the other: what no seed changes is compiled and compared once."""
    if config.engine != "fused":
        return lambda seed: _make_on_gymnasium(replace(config, seed=seed), device, num_threads)
    environment = find(config.env_id)
    assert environment is not None
    _require_use(config, environment.action)
    kernels = Kernels(compile_environment(environment))
    require_same_steps(config, environment, kernels.functions)
    time_limit = config.max_episode_steps or find_spec(config.env_id).max_episode_steps
    fixed = config, environment, time_limit, num_threads
    return lambda seed: FusedEngine(*fixed, seed_sequences(seed), kernels)


def _make_on_gymnasium(config: Config, device: torch.device, num_threads: int) -> Engine:
    environments = make_environments(config)
    try:
        return GymnasiumEngine(config, environments, make_learner(config, environments, device, num_threads))
    except BaseException:
        environments.close()
        raise


def make_learner(
    config: Config, environments: Environments, device: torch.device, num_threads: int
) -> Learner:
    """The learner of a resolved config; UsageError if a setting of it does nothing here."""
    obs_size, seeds = environments.obs_size, seed_sequences(config.seed)
    _require_use(config, environments.action)
    if config.learner == "torch":
        return TorchLearner(config, obs_size, environments.action, device, seeds)
    return CompiledLearner(config, obs_size, environments.action, num_threads, seeds)


def _require_use(config: Config, action: ActionForm) -> None:
    if config.log_std_init and action.kind != "box":
        said = typed("log_std_init", config.log_std_init)
        raise UsageError(f"{said} does nothing: {config.env_id} takes {action}; leave it out")
