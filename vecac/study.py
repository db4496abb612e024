"""python -m vecac.study: train by many settings with many seeds, and tell what to believe of them.

Whatever loads torch, scipy or matplotlib is imported inside the functions, as in vecac.train: workers import
this module again, and train while the parent has nothing to draw yet.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from vecac.config import GROUPS, Config
from vecac.config_rules import typed
from vecac.cores import usable_cores
from vecac.errors import RunFault, UsageError
from vecac.runs.folder_lock import locked
from vecac.runs.run_folder import require_log_dir
from vecac.runs.settings_files import read_settings
from vecac.shell.command_line import run_command
from vecac.shell.console import Console
from vecac.shell.stopping import StopRequest
from vecac.studies.packages import require_packages

if TYPE_CHECKING:
    from vecac.studies.design import Design
    from vecac.studies.folder import StudyFolder
    from vecac.studies.results import StudyResult
    from vecac.studies.running import Progress


MOST_WORKERS = 4096


def study(
    config: Config | None = None,
    seeds: int = 10,
    vary: Mapping[str, Sequence[Any] | str] | None = None,
    *,
    sample: int | None = None,
    until_ci: float | None = None,
    workers: int = 0,
    stop: StopRequest | None = None,
) -> "StudyResult":
    """Train by every setting with every seed, in worker processes; it leaves a study's folder.

    A script that calls this, like any that starts processes, needs `if __name__ == "__main__":`.

    Args:
        config: what all runs have, and the first seed. An engine left at its default becomes auto.
        seeds: how many there are: config.seed, config.seed + 1, ...
        vary: by field, the values that settings differ by: a list, or text as on the command line.
        sample: draw so many settings from the lists and ranges; None for all combinations.
        until_ci: add seeds to the leading setting until its interval is so narrow; see docs/studies.md.
        workers: processes; 0 for one a core.
        stop: takes charge of SIGINT and SIGTERM.

    Raises:
        UsageError: a setting cannot be, or cannot run here; nothing has started then. Or the folder cannot be
            written to, and the study can be gone on with.
    """
    from vecac.studies.design import make_design
    from vecac.studies.variation import variations_of

    config = config or Config()
    if config.engine == "sync" and "engine" not in (vary or {}):
        config = replace(config, engine="auto")
    return _start(
        make_design(config, variations_of(vary or {}), seeds, sample, until_ci),
        workers,
        stop or StopRequest(),
    )


def resume(study_dir: str | Path, workers: int = 0, stop: StopRequest | None = None) -> "StudyResult":
    """Go on with an interrupted study, or only write its tables and figures anew; see `study`.

    Raises:
        UsageError: there is no such study, it is running, or it was made by another version of vecac.
    """
    from vecac.studies.folder import read_study

    with locked(Path(study_dir)):
        known = read_study(Path(study_dir))
        return _run(known.design, lambda: known, workers, stop or StopRequest())


def _start(design: "Design", workers: int, stop: StopRequest) -> "StudyResult":
    from vecac.studies.folder import create_study_folder

    require_log_dir(design.base)
    with ExitStack() as cleanup:

        def create() -> "StudyFolder":
            folder = create_study_folder(design)
            cleanup.enter_context(locked(folder.path))
            return folder

        return _run(design, create, workers, stop)


def _run(
    design: "Design", open_folder: "Callable[[], StudyFolder]", workers: int, stop: StopRequest
) -> "StudyResult":
    require_packages()
    if not 0 <= workers <= MOST_WORKERS:
        raise UsageError(f"--workers must be between 0 and {MOST_WORKERS:,}, not {workers}")
    from vecac.studies.workers import Workers

    with stop, ExitStack() as cleanup:
        runs = len(design.settings) * design.seeds
        console = cleanup.enter_context(
            closing(Console(len(design.settings) * design.seeds, design.base.quiet))
        )
        count = workers or usable_cores()
        pool = cleanup.enter_context(closing(Workers(count)))
        # Its imports take a second, in which the workers do theirs.
        from vecac.studies.running import require_runnable, run_study

        with console.waiting("compiling kernels that this machine has not kept from earlier runs"):
            is_ready = require_runnable(design, pool, lambda: not stop.requested())
        folder = open_folder()
        console.line(
            f"{runs:,} runs, {len(design.settings):,} settings with {design.seeds:,} seeds, by {count} "
            f"processes; {len(folder.outcomes):,} are done: {folder.path}"
        )

        def watch(progress: "Progress") -> bool:
            console.study(*_shown(design, progress))
            return not stop.requested()

        is_whole = is_ready and run_study(folder, pool, watch)
        pool.close()
        console.close()
        return _finish(folder, is_whole, console)


def _finish(folder: "StudyFolder", is_whole: bool, console: Console) -> "StudyResult":
    if not is_whole:
        from vecac.studies.results import StudyResult

        folder.end()
        console.line(f"interrupted; go on with python -m vecac.study --resume {folder.path}")
        return StudyResult(folder.path, folder.design, is_whole=False)
    from vecac.studies.results import write_results

    result = write_results(folder)
    console.line(result.table())
    console.line(f"tables and figures are in {result.path}; begin with its summary.md")
    return result


def _shown(design: "Design", progress: "Progress") -> tuple[int, int, float, float, str]:
    left = math.inf
    if progress.env_steps_per_s:
        left = (progress.wanted - progress.done) * design.base.total_timesteps / progress.env_steps_per_s
    is_one = len(design.settings) == 1 or progress.leader is None
    leader = "" if is_one else f", leading: {design.describe(progress.leader or 1)}"
    return progress.done, progress.wanted, progress.env_steps_per_s, left, leader


@dataclass(frozen=True)
class StudyOptions(Config):
    """Train by many settings with many seeds, and tell what to believe of them."""

    engine: Literal["sync", "async", "vector", "fused", "auto"] = "auto"
    """As vecac.train's; left out, the fastest that can run a setting."""
    seeds: int = 10
    """Runs of each setting: seeds --seed, --seed + 1, ..."""
    vary: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """What settings differ by: gamma=0.98,0.99, or a range, gamma=0.9..0.999, gamma=log:1e-5..1."""
    sample: int | None = None
    """Draw so many settings from --vary; left out, all combinations."""
    until_ci: float | None = None
    """Add seeds to the leading setting until its 95 % interval is so narrow; see docs/studies.md."""
    workers: int = 0
    """Worker processes; 0 is one a core."""
    settings: str | None = None
    """Flags left out are as in this TOML file, an earlier run's folder, or vecac's file for an env id."""
    resume: str | None = None
    """Study's folder to go on with; everything is as saved there."""
    keep: str | None = None
    """Study's folder to take a run out of, by --setting and --seed, as a run folder: it is trained again."""
    setting: int = 1
    """The number of its setting."""


OWN = ("workers", "quiet", "resume", "keep", "setting", "settings")
"""Flags that say nothing of what a study runs."""


def _options_left_out(values: dict[str, Any]) -> StudyOptions | None:
    if values["settings"] is None:
        return None
    if values["resume"] or values["keep"]:
        raise UsageError("--settings goes with a new study alone: leave it out")
    taken = read_settings(values["settings"])
    if values["wrapper"]:
        taken["wrapper"] = ()
    return StudyOptions(**taken, settings=values["settings"])


def _command(values: dict[str, Any]) -> int:
    stop = StopRequest()
    if values["keep"] is not None:
        return _keep(Path(values["keep"]), values, stop)
    if values["resume"] is not None:
        _require_nothing_else(values)
        result = resume(values["resume"], values["workers"], stop)
    else:
        from vecac.studies.design import make_design
        from vecac.studies.variation import parse_variations

        base = Config(**{name: values[name] for name in Config.__dataclass_fields__})
        varied = parse_variations(values["vary"])
        design = make_design(base, varied, values["seeds"], values["sample"], values["until_ci"])
        result = _start(design, values["workers"], stop)
    return 0 if result.is_whole else stop.exit_code()


def _require_nothing_else(values: dict[str, Any], *also: str) -> None:
    """Refuse flags beside --resume and --keep, which go by what the study's folder says."""
    for name, spec in StudyOptions.__dataclass_fields__.items():
        default = {} if spec.default is MISSING else spec.default
        if name not in (*OWN, *also) and values[name] != default:
            raise UsageError(f"{typed(name, values[name])}: a study goes on as it began; leave it out")


def _keep(path: Path, values: dict[str, Any], stop: StopRequest) -> int:
    """Train a study's run again, into a run folder of its own."""
    from vecac.studies.folder import read_study
    from vecac.train import train

    _require_nothing_else(values, "seed", "log_dir", "run_name")
    known, key = read_study(path), (values["setting"], values["seed"])
    if key not in known.outcomes:
        raise UsageError(f"{path} has no run with --setting {key[0]} --seed {key[1]}: runs.csv lists them")
    config = known.design.config(*key)
    if values["log_dir"] != Config.log_dir:
        config = replace(config, log_dir=values["log_dir"])
    result = train(replace(config, quiet=values["quiet"]), stop)
    if result.stop_reason == "interrupted":
        return stop.exit_code()
    outcome = known.outcomes[key]
    for name in ("env_steps", "updates", "episodes", "last_100_return_mean", "solved_at_env_steps"):
        if getattr(result, name) != getattr(outcome, name):
            raise RunFault(
                f"{name} is {getattr(result, name)}, and was {getattr(outcome, name)} in the study: machine, "
                "versions or environment are not the same"
            )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    groups = {**GROUPS, "seeds": "study"}
    return run_command(StudyOptions, "python -m vecac.study", argv, _command, _options_left_out, groups)


if __name__ == "__main__":
    sys.exit(main())
