"""A study at the terminal: who does its runs, what is shown of them, and how it ends.

Whatever loads scipy, matplotlib or torch is imported inside the functions: workers start meanwhile.
"""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vecac.cores import usable_cores
from vecac.errors import UsageError
from vecac.extras import require_extras
from vecac.runs.folder_lock import locked
from vecac.runs.run_folder import require_log_dir
from vecac.shell.console import Console
from vecac.shell.stopping import StopRequest

if TYPE_CHECKING:
    from vecac.studies.design import Design
    from vecac.studies.folder import StudyFolder
    from vecac.studies.results import StudyResult
    from vecac.studies.running import Progress, Watch
    from vecac.studies.workers import Pool

MOST_WORKERS = 4096


@dataclass(frozen=True)
class Machines:
    """Who does the runs: processes of this machine, as many as cores if 0, or a Ray cluster."""

    workers: int = 0
    cluster: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.workers <= MOST_WORKERS:
            raise UsageError(f"--workers must be between 0 and {MOST_WORKERS:,}, not {self.workers}")
        if self.workers and self.cluster is not None:
            raise UsageError("--workers are of this machine, and --cluster uses others: leave one out")

    def start(self) -> "Pool":
        """For the caller to close."""
        if self.cluster is not None:
            require_extras("cluster")
            from vecac.studies.cluster import ClusterWorkers

            return ClusterWorkers(self.cluster)
        from vecac.studies.workers import Workers

        return Workers(self.workers or usable_cores())


def start_study(design: "Design", machines: Machines, stop: StopRequest) -> "StudyResult":
    """Go through a new study, in a folder of its own; see `go_through`."""
    from vecac.studies.folder import create_study_folder

    require_log_dir(design.base)
    with ExitStack() as cleanup:

        def create() -> "StudyFolder":
            folder = create_study_folder(design)
            cleanup.enter_context(locked(folder.path))
            return folder

        return go_through(design, create, machines, stop)


def go_through(
    design: "Design", open_folder: "Callable[[], StudyFolder]", machines: Machines, stop: StopRequest
) -> "StudyResult":
    """Do the runs of a study that are left, and write its tables; `stop` takes charge of signals.

    open_folder: called once it is known that every setting can run.

    Raises:
        UsageError: a setting cannot run here, or the folder cannot be written to.
    """
    require_extras("study", *(["tune"] if design.search else []))
    with stop, ExitStack() as cleanup:
        console = cleanup.enter_context(closing(Console(1, design.base.quiet)))
        pool = cleanup.enter_context(closing(machines.start()))
        # Its imports take a second, in which the workers do theirs.
        from vecac.studies.design import corners
        from vecac.studies.running import require_runnable

        with console.waiting("compiling kernels that this machine has not kept from earlier runs"):
            tried = corners(design) if design.search else design
            is_ready = require_runnable(tried, pool, lambda: not stop.requested())
        folder = open_folder()
        settings = (
            f"{design.num_settings:,} settings" if design.search is None else f"{design.search.trials} trials"
        )
        console.line(
            f"{settings} with {design.seeds:,} seeds, by {pool.count} processes; "
            f"{len(folder.outcomes):,} runs are done: {folder.path}"
        )

        def watch(progress: "Progress") -> bool:
            console.study(*_shown(folder.design, progress))
            return not stop.requested()

        is_whole, best = _do_runs(folder, pool, watch) if is_ready else (False, None)
        pool.close()
        console.close()
        if not is_whole:
            return _interrupted(folder, console)
    # From here on a signal ends the process as any other: files are whole, and there are no runs to lose.
    try:
        return _finish(folder, best, console)
    except KeyboardInterrupt:
        console.line(f"interrupted; python -m vecac.study --resume {folder.path} writes its tables")
        raise


def _do_runs(folder: "StudyFolder", pool: "Pool", watch: "Watch") -> tuple[bool, int | None]:
    """Whether all of them are done, and the setting that a search found."""
    if folder.design.search is None:
        from vecac.studies.running import run_study

        return run_study(folder, pool, watch), None
    from vecac.studies.tuning import run_search

    best = run_search(folder, pool, watch)
    return best is not None, best


def _interrupted(folder: "StudyFolder", console: Console) -> "StudyResult":
    from vecac.studies.results import StudyResult

    folder.end()
    console.line(f"interrupted; go on with python -m vecac.study --resume {folder.path}")
    return StudyResult(folder.path, folder.design, is_whole=False)


def _finish(folder: "StudyFolder", best: int | None, console: Console) -> "StudyResult":
    from vecac.studies.report import found
    from vecac.studies.results import write_results

    result = write_results(folder, best)
    console.line(result.table())
    for line in found(result.summary) if best is not None else []:
        console.line(line)
    console.line(f"tables and figures are in {result.path}; begin with its summary.md")
    return result


def _shown(
    design: "Design", progress: "Progress"
) -> tuple[int, int, float, float | None, tuple[int, str] | None]:
    leader = None
    if progress.leader is not None and len(design.settings) > 1:
        leader = progress.leader, design.describe(progress.leader)
    return progress.done, progress.wanted, progress.env_steps_per_s, progress.seconds_left, leader
