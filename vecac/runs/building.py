"""Building a run: from settings to an engine in a run folder of its own, new or gone on with."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from vecac.config import Config
from vecac.engines.hardware import choose_threads, idle_gpu, resolve_device
from vecac.engines.selection import make_engine, resolve
from vecac.recording import checkpoint
from vecac.runs.filming import require_drawable
from vecac.runs.first_policy import begin_with, first_policy
from vecac.runs.folder_lock import locked
from vecac.runs.run import Run
from vecac.runs.run_folder import create_run_folder, describe_run, write_json
from vecac.runs.saved_policy import SavedPolicy
from vecac.runs.saved_run import SavedRun
from vecac.runs.settings_files import hint_at_shipped

FEW_UPDATES = 500
"""Fewer than this are hardly ever enough."""


@dataclass(frozen=True)
class Plan:
    """Settings with everything decided that was left open, the device in use, and a line on each decision.

    first: the policy to begin with; None for the seed's network, and for a run that goes on.
    """

    config: Config
    device: torch.device
    choices: list[str]
    first: SavedPolicy | None

    @property
    def torch_threads(self) -> int:
        """CPU threads that torch is to use in the process that trains; whoever owns the process sets them."""
        return self.config.num_threads if self.config.learner == "torch" else 1


def plan_run(config: Config, resumed: bool = False) -> Plan:
    """Decide on device, engine, learner, threads and log interval; UsageError if that cannot run here."""
    if config.video_at_end:
        require_drawable(config, "--video-at-end")
    device = resolve_device(config.device)
    config, first = (config, None) if resumed else first_policy(config)
    config, choices = resolve(config, resumed)
    config = replace(config, num_threads=choose_threads(config), log_interval=config.log_every)
    if (gpu := idle_gpu(config.device)) is not None:
        choices.append(
            f"--device auto learns on the CPU; --device cuda would use the {gpu}: which of them is faster "
            "has not been measured"
        )
    if (hint := hint_at_shipped(config.env_id, config)) is not None:
        choices.append(hint)
    updates = -(-config.total_timesteps // (config.num_envs * config.n_rollout))
    if updates < FEW_UPDATES:
        choices.append(
            f"only {updates:,} {'update fits' if updates == 1 else 'updates fit'} into "
            f"{config.total_timesteps:,} env steps, too few to learn much: raise --total-timesteps, or lower "
            "--num-envs or --n-rollout"
        )
    return Plan(config, device, choices, first)


def build_run(plan: Plan, saved: SavedRun | None, warn: Callable[[str], None]) -> tuple[Run, list[str]]:
    """The run in its folder, for the caller to close, and lines on what it is and goes on from.

    Makes environments and compiles kernels, which can take half a minute the first time. `saved` is the
    run to go on with, whose lock the caller holds; `warn` tells the user what goes wrong but ends nothing.

    Raises:
        UsageError: it cannot be built, and no new folder is left; or see SavedRun.go_on.
    """
    config, device = plan.config, str(plan.device)
    with ExitStack() as cleanup:
        engine = cleanup.enter_context(closing(make_engine(config, plan.device, config.num_threads)))
        config = replace(config, num_threads=engine.num_threads)
        notes = [] if plan.first is None else [begin_with(plan.first, config, engine)]
        description = describe_run(config, device)

        def fill(folder: Path) -> None:
            write_json(folder / "config.json", description)
            content = {"config": config.to_dict(), **engine.state_dict(), "run": None}  # of step 0
            checkpoint.save(folder / "checkpoints" / "latest.pt", content)

        if saved is None:
            run_dir = create_run_folder(config, fill)
            cleanup.enter_context(locked(run_dir))
        else:
            run_dir = saved.run_dir
        run = Run(config, run_dir, engine, device, warn)
        if saved is not None:
            notes = saved.go_on(run, description)
        run.resources = cleanup.pop_all()
        return run, notes
