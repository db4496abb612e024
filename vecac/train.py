"""python -m vecac.train: train an actor-critic on N copies of a Gymnasium environment.

Whatever loads torch is imported inside the functions: --help need not wait for it, and spawned
worker processes, which import this module again, stay small.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecac.config import GROUPS, Config
from vecac.engines.device_faults import device_errors_as
from vecac.errors import RunFault, UsageError
from vecac.runs.folder_lock import locked
from vecac.runs.run_folder import Result, StopReason, require_log_dir
from vecac.runs.saved_policy import load_policy, require_network
from vecac.runs.saved_run import SavedRun, config_to_go_on_with, saved_run
from vecac.runs.settings_files import read_settings
from vecac.shell.command_line import run_command
from vecac.shell.console import Console
from vecac.shell.stopping import StopRequest
from vecac.shell.summary import describe_result, describe_start

if TYPE_CHECKING:
    from vecac.engines.evaluation import Evaluation
    from vecac.runs.run import Run

OnRow = Callable[[Mapping[str, float]], Any]

DEVICE_FAILED = (
    "the device failed: {}; go on from the last checkpoint with --resume, on another --device if need be"
)


def train(config: Config, stop: StopRequest | None = None, on_row: OnRow | None = None) -> Result:
    """Run the training that config describes; it leaves a run folder.

    Args:
        config: every setting.
        stop: takes charge of SIGINT and SIGTERM; pass one in to learn which of them arrived.
        on_row: called with every log row, the metrics by tag (NaN where undefined), after it is written.
            Once it returns False, training is over, as by a target (stop_reason "stopped"). What it raises
            ends the run as a fault does, with its state saved, and is raised again.

    Returns:
        How it ended, also when a signal interrupted it (see stop_reason).

    Raises:
        UsageError: the config cannot be run here; no run folder is left.
        RunFault: an environment misbehaved, learning diverged, a GPU failed or the last state could not
            be saved; result.json tells of it too, if it can be written.
        KeyboardInterrupt: at a prompt or in a notebook, at a second Ctrl-C. The run is as its last checkpoint
            has it then. In a script that ends the process.
    """
    require_log_dir(config)
    return _run(config, None, stop or StopRequest(), on_row)


def resume(
    run_dir: str | Path, stop: StopRequest | None = None, on_row: OnRow | None = None, **changes: Any
) -> Result:
    """Go on with the run in a folder, exactly where its last checkpoint was taken; see `train`.

    Args:
        run_dir: as Result.run_dir.
        stop, on_row: as for `train`.
        changes: settings that are to be otherwise than saved there; few may.

    Raises:
        UsageError: there is no such run, it is running, or a setting may not change; it stays as it is.
    """
    with locked(Path(run_dir)):
        saved = saved_run(Path(run_dir), changes)
        return _run(saved.config, saved, stop or StopRequest(), on_row)


def _run(config: Config, saved: SavedRun | None, stop: StopRequest, on_row: OnRow | None) -> Result:
    from vecac.engines.hardware import torch_threads
    from vecac.runs.building import build_run, plan_run

    console = Console(config.total_timesteps, config.quiet)
    unusable = f"--device {config.device} cannot be used: {{}}; use another, or --device cpu"
    with stop, closing(console), ExitStack() as cleanup:
        with device_errors_as(UsageError, unusable), console.waiting(_what_takes_long(config)):
            plan = plan_run(config, resumed=saved is not None)
            cleanup.enter_context(torch_threads(plan.torch_threads))
            run, notes = build_run(plan, saved, console.warning)
        cleanup.enter_context(closing(run))
        run.on_row, run.evaluations.go_on = on_row, lambda episodes, steps: not stop.requested()
        introduction = describe_start(run.config, str(plan.device), run.run_dir)
        for line in (introduction, *notes, *plan.choices):
            console.line(line)
        try:
            with device_errors_as(RunFault, DEVICE_FAILED):
                stop_reason, evaluations = _train(run, saved is None, console, stop)
        except BaseException as error:
            console.close()
            # A second Ctrl-C may have come in the middle of an update: the last checkpoint stands.
            if not (stop.requested() and isinstance(error, KeyboardInterrupt)):
                run.finish("failed", error=f"{type(error).__name__}: {error}")
            raise
        result = run.finish(stop_reason, evaluations)
        run.tell_last_row()
    if result.stop_reason == "failed":
        raise RunFault(result.error)
    console.line(describe_result(result))
    return result


def _what_takes_long(config: Config) -> str:
    what = f"starting {config.num_envs} environments"
    if config.learner == "torch":
        return what
    return f"{what}, and compiling kernels that this machine has not kept from earlier runs"


def _train(
    run: "Run", is_new: bool, console: Console, stop: StopRequest
) -> "tuple[StopReason, dict[str, Evaluation]]":
    """Collect, update, record and save until the run is over, then evaluate."""
    from vecac.runs.final_evaluation import evaluate_run

    for line in run.start(is_new):
        console.line(line)
    while (stop_reason := run.stop_reason()) is None and not stop.requested():
        report = run.engine.iterate(*run.until_due())  # collect and update: engines/gymnasium_engine.py
        run.record(report)  # and evaluate, where that is due
        run.save_if_due()
        console.progress(*run.progress())
    console.close()
    run.stop()
    if stop_reason is None:
        return "interrupted", {}

    def go_on(name: str, episodes: int, steps: int) -> bool:
        console.evaluation(name.replace("_", ", "), episodes, run.config.eval_episodes, steps)
        return not stop.requested()

    evaluations = evaluate_run(run, go_on)
    console.close()
    if not evaluations and run.config.eval_episodes:
        console.line("the evaluation was stopped, and is missing")
    if run.config.video_at_end and not stop.requested():
        _film(run, console, stop)
    return stop_reason, evaluations


def _film(run: "Run", console: Console, stop: StopRequest) -> None:
    """Draw an episode; the run is none the worse if that fails."""
    from vecac.runs.final_evaluation import film_run

    try:
        with console.waiting("drawing an episode"):
            film_run(run, lambda episodes, steps: not stop.requested())
    except (UsageError, RunFault, OSError) as error:
        console.warning(f"there is no video: {error}")


@dataclass(frozen=True)
class TrainOptions(Config):
    """Train a TD actor-critic on N copies of a Gymnasium environment that step together."""

    settings: str | None = None
    """Flags left out are as in this TOML file, an earlier run's folder, or vecac's file for an env id."""
    resume: str | None = None
    """Run folder to go on with: flags left out are as saved there, and few may change."""


def _options_left_out(values: dict[str, Any]) -> TrainOptions | None:
    """What flags left out stand for if there are settings to take, or a run to resume."""
    name, run_dir = values["settings"], values["resume"]
    if name is not None and run_dir is not None:
        raise UsageError("--settings does not go with --resume, which goes on by the run's own: leave it out")
    if run_dir is not None:
        taken = config_to_go_on_with(Path(run_dir)).to_dict()
    else:
        taken = {} if name is None else read_settings(name)
        if isinstance(values.get("init_from"), str):
            taken |= load_policy(Path(values["init_from"])).network_settings
    if not taken:
        return None
    if values["wrapper"]:  # typed: they are not put around those that are left out
        taken["wrapper"] = ()
    return TrainOptions(**taken, settings=name, resume=run_dir)


def _command(values: dict[str, Any]) -> int:
    stop, run_dir = StopRequest(), values.pop("resume")
    values.pop("settings", None)
    if run_dir is None and isinstance(values.get("init_from"), str):
        # Flags left out are as there, so what differs was typed.
        require_network(load_policy(Path(values["init_from"])), values)
    result = train(Config(**values), stop) if run_dir is None else resume(run_dir, stop, **values)
    return stop.exit_code() if result.stop_reason == "interrupted" else 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(TrainOptions, "python -m vecac.train", argv, _command, _options_left_out, GROUPS)


if __name__ == "__main__":
    sys.exit(main())
