"""Which engine and learner a run uses, and making them."""

from dataclasses import replace
from typing import Literal

import torch

from vecac.config import Config
from vecac.engines.compiled_form import require_same_sizes, require_same_steps
from vecac.engines.contracts import Engine, Learner
from vecac.engines.gymnasium_engine import GymnasiumEngine
from vecac.environments.registry import find_spec
from vecac.environments.vector import Environments, make_environments
from vecac.errors import UsageError
from vecac.kernels.catalogue import find, registered
from vecac.learners.torch_learner import TorchLearner
from vecac.seeding import seed_sequences


def resolve(config: Config, device: torch.device) -> tuple[Config, list[str]]:
    """The config with `auto` replaced by the engine and the learner, and a line on each choice.

    Raises:
        UsageError: what was asked for by name cannot run here.
    """
    lines = []
    if config.engine == "auto":
        engine, reason = _fastest_engine(config, device)
        config = replace(config, engine=engine)
        lines.append(f"--engine auto: {engine}, since {reason}")
    obstacle = _fused_obstacle(config, device) if config.engine == "fused" else None
    if obstacle is not None:
        raise UsageError(f"--engine fused cannot run this: {obstacle}; use --engine sync or vector")
    if config.engine == "fused":
        return replace(config, learner="compiled"), lines
    obstacle = _compiled_obstacle(config, device)
    if config.learner == "compiled" and obstacle is not None:
        raise UsageError(f"--learner compiled cannot run this: {obstacle}; use --learner torch")
    if config.learner == "auto":
        config = replace(config, learner="compiled" if obstacle is None else "torch")
        reason = "it is the fastest on the CPU" if obstacle is None else obstacle
        lines.append(f"--learner auto: {config.learner}, since {reason}")
    return config, lines


def make_engine(config: Config, device: torch.device, num_threads: int) -> Engine:
    """The engine of a resolved config; compiles what it needs, which can take half a minute the first time.

    Raises:
        UsageError: the environments cannot be made.
    """
    if config.engine == "fused":
        return _make_fused(config, num_threads)
    environments = make_environments(config)
    try:
        return GymnasiumEngine(config, environments, make_learner(config, environments, device, num_threads))
    except BaseException:
        environments.close()
        raise


def _make_fused(config: Config, num_threads: int) -> Engine:
    from vecac.engines.fused_engine import FusedEngine  # here, since numba may be missing

    environment = find(config.env_id)
    assert environment is not None
    require_same_sizes(config.env_id, environment)
    time_limit = find_spec(config.env_id).max_episode_steps
    engine = FusedEngine(config, environment, time_limit, num_threads, seed_sequences(config.seed))
    try:
        require_same_steps(config.env_id, environment, engine.functions)
    except BaseException:
        engine.close()
        raise
    return engine


def make_learner(
    config: Config, environments: Environments, device: torch.device, num_threads: int
) -> Learner:
    """The learner of a resolved config."""
    sizes, seeds = (environments.obs_size, environments.num_actions), seed_sequences(config.seed)
    if config.learner == "torch":
        return TorchLearner(config, *sizes, device, seeds)
    from vecac.learners.compiled_learner import CompiledLearner  # here, since numba may be missing

    return CompiledLearner(config, *sizes, num_threads, seeds)


def _fastest_engine(config: Config, device: torch.device) -> tuple[Literal["fused", "vector", "sync"], str]:
    """The engine for `auto`, and why."""
    spec = find_spec(config.env_id)
    obstacle = _fused_obstacle(config, device)
    if obstacle is None:
        return "fused", f"{config.env_id} has a compiled form"
    if spec.vector_entry_point is not None and config.autoreset_mode == "next-step":
        return "vector", f"{config.env_id} has a vector form of its own, and fused is out ({obstacle})"
    return "sync", f"it runs whatever the others do not (fused: {obstacle})"


def _fused_obstacle(config: Config, device: torch.device) -> str | None:
    """Why the fused engine cannot run this config; None if it can."""
    find_spec(config.env_id)  # imports the module that may register a compiled form
    if find(config.env_id) is None:
        return f"{config.env_id} has no compiled form, as {' and '.join(registered())} have"
    if config.autoreset_mode != "next-step":
        return f"it has no --autoreset-mode {config.autoreset_mode}"
    if config.learner == "torch":
        return "it does not learn by --learner torch"
    return _compiled_obstacle(config, device)


def _compiled_obstacle(config: Config, device: torch.device) -> str | None:
    """Why compiled kernels cannot learn under this config; None if they can."""
    if config.device.startswith("cuda") or device.type != "cpu":
        return f"kernels run on the CPU, not on --device {config.device}"
    if config.td_lambda > 0:
        return "kernels have no --td-lambda"
    try:
        import numba  # noqa: F401  (here, since it may be missing, and takes a while)
    except Exception as error:  # also one that does not go with this NumPy
        return f"numba, which compiles the kernels, cannot be imported ({error}): pip install numba"
    return None
