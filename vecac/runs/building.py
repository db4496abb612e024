"""Building a run: from settings to an engine in a run folder of its own, new or gone on with."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from vecac.config import Config
from vecac.engines.contracts import Engine
from vecac.engines.hardware import choose_threads, idle_gpu, resolve_device
from vecac.engines.selection import make_engine, resolve
from vecac.errors import UsageError
from vecac.recording import checkpoint
from vecac.runs.folder_lock import locked
from vecac.runs.parts import run_content
from vecac.runs.run import Run
from vecac.runs.run_folder import create_run_folder, describe_run, write_json
from vecac.runs.saved_run import SavedRun

FEW_UPDATES = 500
"""Fewer than this are hardly ever enough."""


@dataclass(frozen=True)
class Plan:
    """Settings with everything decided that was left open, the device in use, and a line on each decision."""

    config: Config
    device: torch.device
    choices: list[str]

    @property
    def torch_threads(self) -> int:
        """CPU threads that torch is to use in the process that trains; whoever owns the process sets them."""
        return self.config.num_threads if self.config.learner == "torch" else 1


def plan_run(config: Config) -> Plan:
    """Decide on device, engine, learner, threads and log interval.

    Raises:
        UsageError: what was asked for cannot run here.
    """
    device = resolve_device(config.device)
    config, choices = resolve(config)
    config = replace(config, num_threads=choose_threads(config), log_interval=config.log_every)
    if (gpu := idle_gpu(config.device)) is not None:
        choices.append(
            f"--device auto learns on the CPU; --device cuda would use the {gpu}: which of them is faster "
            "has not been measured"
        )
    updates = -(-config.total_timesteps // (config.num_envs * config.n_rollout))
    if updates < FEW_UPDATES:
        choices.append(
            f"only {updates:,} {'update fits' if updates == 1 else 'updates fit'} into "
            f"{config.total_timesteps:,} env steps, too few to learn much: raise --total-timesteps, or lower "
            "--num-envs or --n-rollout"
        )
    return Plan(config, device, choices)


def build_run(plan: Plan, saved: SavedRun | None, warn: Callable[[str], None]) -> tuple[Run, list[str]]:
    """The run in its folder, for the caller to close, and lines on what it is and goes on from.

    Makes environments and compiles kernels, which can take half a minute the first time.

    Args:
        plan: of the run.
        saved: the run to go on with, whose lock the caller holds; None for a new one.
        warn: tells the user what goes wrong but ends nothing.

    Raises:
        UsageError: it cannot be built; no new folder is left, and one to go on with is as it was.
    """
    config, device = plan.config, str(plan.device)
    with ExitStack() as cleanup:
        engine = cleanup.enter_context(closing(make_engine(config, plan.device, config.num_threads)))
        config = replace(config, num_threads=engine.num_threads)
        description = describe_run(config, device)
        if saved is None:
            run_dir = create_run_folder(config, partial(_fill, config, engine, description))
            cleanup.enter_context(locked(run_dir))
        else:
            run_dir = saved.run_dir
        build, notes = partial(Run, config, run_dir, engine, device, warn), list[str]()
        try:
            if saved is None:
                run = build(None)
            else:
                run, notes = saved.load(engine, build)
                notes += saved.note_resumption(engine.env_steps, description)
        except OSError as error:
            raise UsageError(f"{run_dir} cannot be written to: {error.strerror}") from error
        run.owns(cleanup.pop_all())
        return run, notes


def _fill(config: Config, engine: Engine, description: dict[str, Any], run_dir: Path) -> None:
    """What a run folder holds from the first: its settings, and a checkpoint at step 0."""
    write_json(run_dir / "config.json", description)
    checkpoint.save(run_dir / "checkpoints" / "latest.pt", run_content(config.to_dict(), engine, None))
