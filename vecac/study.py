"""python -m vecac.study: train by many settings with many seeds, and tell what to believe of them.

Whatever loads torch, scipy or matplotlib is imported inside the functions, as in vecac.train: workers import
this module again, and train while the parent has nothing to draw yet.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from vecac.config import GROUPS, Config
from vecac.config_rules import typed
from vecac.errors import RunFault, UsageError
from vecac.runs.folder_lock import locked
from vecac.runs.settings_files import read_settings
from vecac.shell.command_line import run_command
from vecac.shell.stopping import StopRequest
from vecac.shell.study_session import Machines, go_through, start_study

if TYPE_CHECKING:
    from vecac.studies.design import Design
    from vecac.studies.results import StudyResult
    from vecac.studies.variation import Values


def study(
    config: Config | None = None,
    seeds: int = 10,
    vary: Mapping[str, Sequence[Any] | str] | None = None,
    *,
    sample: int | None = None,
    until_ci: float | None = None,
    tune: int | None = None,
    workers: int = 0,
    cluster: str | None = None,
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
        tune: search for the best setting of the lists and ranges by so many trials instead.
        workers: processes; 0 for one a core.
        cluster: address of a Ray cluster that does the runs instead.
        stop: takes charge of SIGINT and SIGTERM.

    Raises:
        UsageError: a setting cannot be, or cannot run here; nothing has started then. Or the folder cannot be
            written to, and the study can be gone on with.
    """
    from vecac.studies.variation import variations_of

    config = config or Config()
    if config.engine == "sync" and "engine" not in (vary or {}):
        config = replace(config, engine="auto")
    design = _make_design(config, variations_of(vary or {}), seeds, sample, until_ci, tune)
    return start_study(design, Machines(workers, cluster), stop or StopRequest())


def resume(
    study_dir: str | Path, workers: int = 0, cluster: str | None = None, stop: StopRequest | None = None
) -> "StudyResult":
    """Go on with an interrupted study, or only write its tables and figures anew; see `study`.

    Raises:
        UsageError: there is no such study, it is running, or it was made by another version of vecac.
    """
    from vecac.studies.folder import read_study

    with locked(Path(study_dir)):
        known = read_study(Path(study_dir))
        return go_through(known.design, lambda: known, Machines(workers, cluster), stop or StopRequest())


def _make_design(
    base: Config,
    varied: "Mapping[str, Values]",
    seeds: int,
    sample: int | None,
    until_ci: float | None,
    tune: int | None,
) -> "Design":
    from vecac.studies.design import make_design, make_search

    if tune is None:
        return make_design(base, varied, seeds, sample, until_ci)
    if sample is not None or until_ci is not None:
        raise UsageError("--tune goes with neither --sample nor --until-ci: leave these out")
    return make_search(base, varied, seeds, tune)


@dataclass(frozen=True)
class StudyOptions(Config):
    """Train by many settings with many seeds, and tell what to believe of them."""

    engine: Literal["sync", "async", "vector", "fused", "auto"] = "auto"
    """As vecac.train's; left out, the fastest that can run a setting."""
    keep_checkpoints: int | None = None
    """As vecac.train's, which a study has no use for."""
    seeds: int = 10
    """Runs of each setting: seeds --seed, --seed + 1, ..."""
    vary: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """What settings differ by: gamma=0.98,0.99, or a range, gamma=0.9..0.999, gamma=log:1e-5..1."""
    sample: int | None = None
    """Draw so many settings from --vary; left out, all combinations."""
    until_ci: float | None = None
    """Add seeds to the leading setting until its 95 % interval is so narrow; see docs/studies.md."""
    tune: int | None = None
    """Search for the best setting of --vary by so many trials, which Optuna proposes."""
    workers: int = 0
    """Worker processes; 0 is one a core."""
    cluster: str | None = None
    """Address of a Ray cluster that does the runs: auto, or HOST:PORT."""
    settings: str | None = None
    """Flags left out are as in this TOML file, an earlier run's folder, or vecac's file for an env id."""
    resume: str | None = None
    """Study's folder to go on with; everything is as saved there."""
    keep: str | None = None
    """Study's folder to take a run out of, by --setting and --seed, as a run folder: it is trained again."""
    setting: int | None = None
    """The number of its setting; left out, the first."""


OWN = ("workers", "cluster", "quiet", "resume", "keep", "setting", "settings")
"""Flags that say nothing of what a study runs."""


def _options_left_out(values: dict[str, Any]) -> StudyOptions | None:
    if values["settings"] is None:
        return None
    if values["resume"] or values["keep"]:
        raise UsageError("--settings goes with a new study alone: leave it out")
    from vecac.studies.variation import NOT_VARIED, parse_variations

    taken = read_settings(values["settings"])
    # What is varied is not taken from there, nor what says nothing of a study.
    left_out = {*parse_variations(values["vary"]), *NOT_VARIED} - {"env_id", "seed"}
    taken = {name: value for name, value in taken.items() if name not in left_out}
    if values["wrapper"]:
        taken["wrapper"] = ()
    return StudyOptions(**taken, settings=values["settings"])


def _command(values: dict[str, Any]) -> int:
    stop = StopRequest()
    if values["keep"] is not None and values["resume"] is not None:
        raise UsageError("--keep takes a run out of a study, and --resume goes on with one: leave one out")
    if values["keep"] is None and values["setting"] is not None:
        raise UsageError(f"--setting {values['setting']} goes with --keep: add that, or leave it out")
    if values["keep"] is not None:
        return _keep(Path(values["keep"]), values, stop)
    if values["resume"] is not None:
        _require_nothing_else(values)
        result = resume(values["resume"], values["workers"], values["cluster"], stop)
    else:
        from vecac.studies.variation import parse_variations

        base = Config(**{name: values[name] for name in Config.__dataclass_fields__})
        varied = parse_variations(values["vary"])
        wanted = (values[name] for name in ("seeds", "sample", "until_ci", "tune"))
        machines = Machines(values["workers"], values["cluster"])
        result = start_study(_make_design(base, varied, *wanted), machines, stop)
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
    if values["workers"] or values["cluster"]:
        raise UsageError("--keep trains one run, in this process: leave --workers and --cluster out")
    known, key = read_study(path), (values["setting"] or 1, values["seed"])
    if key not in known.outcomes:
        raise UsageError(f"{path} has no run with --setting {key[0]} --seed {key[1]}: runs.csv lists them")
    typed_here = {
        name: values[name] for name in ("log_dir", "run_name") if values[name] != getattr(Config, name)
    }
    result = train(replace(known.design.config(*key), quiet=values["quiet"], **typed_here), stop)
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
