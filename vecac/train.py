"""python -m vecac.train: train an actor-critic on N copies of a Gymnasium environment.

Whatever loads torch is imported inside the functions: --help need not wait for it, and spawned
worker processes, which import this module again, stay small.
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vecac.config import GROUPS, Config
from vecac.engines.device_faults import device_errors_as
from vecac.errors import RunFault, UsageError
from vecac.runs.folder_lock import locked
from vecac.runs.run_folder import Result, create_run_folder, describe_run, require_log_dir, write_json
from vecac.runs.saved_run import SavedRun, config_to_go_on_with, saved_run
from vecac.shell.command_line import run_command
from vecac.shell.console import Console
from vecac.shell.stopping import StopRequest
from vecac.shell.summary import describe_result, describe_start

if TYPE_CHECKING:
    from vecac.engines.contracts import Engine
    from vecac.runs.run_recorder import RunRecorder, StopReason


FEW_UPDATES = 500
"""Fewer than this are hardly ever enough."""


def train(config: Config, stop: StopRequest | None = None) -> Result:
    """Run the training that config describes; it leaves a run folder.

    Args:
        config: every setting.
        stop: takes charge of SIGINT and SIGTERM; pass one in to learn which of them arrived.

    Returns:
        How it ended, also when a signal interrupted it (see stop_reason).

    Raises:
        UsageError: the config cannot be run here; no run folder is left.
        RunFault: an environment misbehaved, learning diverged, a GPU failed or the last state could not
            be saved; result.json tells of it too, if it can be written.
    """
    require_log_dir(config)
    return _run(config, None, stop or StopRequest())


def resume(run_dir: str | Path, stop: StopRequest | None = None, **changes: Any) -> Result:
    """Go on with the run in a folder, exactly where its last checkpoint was taken; see `train`.

    Args:
        run_dir: as Result.run_dir.
        stop: as for `train`.
        changes: settings that are to be otherwise than saved there; few may.

    Raises:
        UsageError: there is no such run, it is running, or a setting may not change; it stays as it is.
    """
    with locked(Path(run_dir)):
        saved = saved_run(Path(run_dir), changes)
        return _run(saved.config, saved, stop or StopRequest())


def _run(config: Config, saved: SavedRun | None, stop: StopRequest) -> Result:
    from vecac.runs.final_evaluation import evaluate_run

    with stop, ExitStack() as cleanup:
        console = Console(config.total_timesteps, config.quiet)
        with device_errors_as(partial(_unusable, config)):
            config, engine, recorder = _set_up(config, saved, console, cleanup)
        try:
            with device_errors_as(_device_fault):
                if saved is None:
                    engine.reset()
                for line in engine.caveats():
                    console.line(line)
                recorder.start_clock()
                stop_reason = _learn(engine, recorder, stop)
                evaluations = evaluate_run(config, engine, recorder.best.content(), console, stop)
        except BaseException as error:
            recorder.finish("failed", error=f"{type(error).__name__}: {error}")
            raise
        result = recorder.finish(stop_reason, evaluations)
    if result.stop_reason == "failed":
        raise RunFault(result.error)
    if stop_reason != "interrupted" and stop.requested():
        console.line("the evaluation was stopped, and is missing")
    console.line(describe_result(result))
    return result


def _unusable(config: Config, complaint: str) -> UsageError:
    return UsageError(f"--device {config.device} cannot be used: {complaint}; use another, or --device cpu")


def _device_fault(complaint: str) -> RunFault:
    return RunFault(
        f"the device failed: {complaint}; go on from the last checkpoint with --resume, on another --device "
        "if need be"
    )


def _set_up(
    config: Config, saved: SavedRun | None, console: Console, cleanup: ExitStack
) -> "tuple[Config, Engine, RunRecorder]":
    """The resolved config, the engine and the recorder of a run in its folder; tells what is about to run."""
    from vecac.engines.hardware import choose_threads, idle_gpu, resolve_device, torch_threads
    from vecac.engines.selection import make_engine, resolve
    from vecac.runs.run_recorder import RunRecorder

    device = resolve_device(config.device)
    config, choices = resolve(config, device)
    num_threads = choose_threads(config)
    config = replace(config, num_threads=num_threads, log_interval=config.log_every)
    cleanup.enter_context(torch_threads(num_threads if config.learner == "torch" else 1))
    with console.waiting(_what_takes_long(config)):
        engine = cleanup.enter_context(closing(make_engine(config, device, num_threads)))
    description = describe_run(config, str(device))
    if saved is None:
        run_dir = create_run_folder(config, partial(_fill, config, engine, description))
        cleanup.enter_context(locked(run_dir))
    else:
        run_dir = saved.run_dir
        choices = [*saved.go_on(engine, description), *choices]
    for line in (describe_start(config, str(device), num_threads, run_dir), *choices, *_few_updates(config)):
        console.line(line)
    if (gpu := idle_gpu(config.device)) is not None:
        console.line(
            f"--device auto learns on the CPU; --device cuda would use the {gpu}: which of them is "
            "faster has not been measured"
        )
    state = None if saved is None else saved.content["run"]
    try:
        return config, engine, RunRecorder(config, run_dir, engine, str(device), console, state)
    except OSError as error:
        raise UsageError(f"{run_dir} cannot be written to: {error.strerror}") from error


def _fill(config: Config, engine: "Engine", description: dict[str, Any], run_dir: Path) -> None:
    """What a run folder holds from the first: its settings, and a checkpoint at step 0."""
    from vecac.recording import checkpoint

    write_json(run_dir / "config.json", description)
    content = {"config": config.to_dict(), **engine.state_dict(), "run": None}
    checkpoint.save(run_dir / "checkpoints" / "latest.pt", content)


def _few_updates(config: Config) -> list[str]:
    """A line for a run that will hardly learn."""
    updates = -(-config.total_timesteps // (config.num_envs * config.n_rollout))
    if updates >= FEW_UPDATES:
        return []
    return [
        f"only {updates:,} updates fit into {config.total_timesteps:,} env steps, too few to learn much: "
        "raise --total-timesteps, or lower --num-envs or --n-rollout"
    ]


def _what_takes_long(config: Config) -> str:
    if config.learner == "compiled":
        return f"compiling kernels for {config.env_id} on this machine; they are kept for later runs"
    return f"starting {config.num_envs} environments"


def _learn(engine: "Engine", recorder: "RunRecorder", stop: StopRequest) -> "StopReason":
    """Collect, update, log and save until the run is over."""
    while (stop_reason := recorder.stop_reason()) is None and not stop.requested():
        report = engine.iterate(recorder.updates_until_row(), recorder.goal())
        recorder.record(report)
    recorder.stop_clock()
    return stop_reason or "interrupted"


@dataclass(frozen=True)
class TrainOptions(Config):
    """Train a TD actor-critic on N copies of a Gymnasium environment that step together."""

    resume: str | None = None
    """Run folder to go on with: flags left out are as saved there, and few may change."""


def _saved_options(values: dict[str, Any]) -> TrainOptions | None:
    """What flags left out stand for if a run is to be resumed."""
    run_dir = values["resume"]
    if run_dir is None:
        return None
    saved = config_to_go_on_with(Path(run_dir))
    return TrainOptions(**saved.to_dict(), resume=run_dir)


def _command(values: dict[str, Any]) -> int:
    stop, run_dir = StopRequest(), values.pop("resume")
    result = train(Config(**values), stop) if run_dir is None else resume(run_dir, stop, **values)
    return stop.exit_code() if result.stop_reason == "interrupted" else 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    return run_command(TrainOptions, "python -m vecac.train", argv, _command, _saved_options, GROUPS)


if __name__ == "__main__":
    sys.exit(main())
