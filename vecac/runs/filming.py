"""A video of episodes that a policy plays."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from vecac.algorithm.network import Network
from vecac.config import Config
from vecac.config_rules import WITHOUT_WORKERS
from vecac.engines.evaluation import Evaluation, evaluate, make_evaluation_environments
from vecac.environments.rendering import rendering
from vecac.environments.vector import Environments, frame_of, frames_a_second
from vecac.extras import require_extras
from vecac.recording.video import Frame, VideoFile
from vecac.runs.loaded_policy import require_form
from vecac.seeding import seed_sequences


def require_drawable(config: Config, flag: str) -> None:
    """Refuse, with a UsageError, an environment that cannot be drawn here; one is made and drawn."""
    require_extras("video")
    with rendering(flag, "rgb_array"), closing(_environments(config, 1)) as environments:
        environments.reset()
        frame_of(environments)


def film(
    network: Network,
    config: Config,
    path: Path,
    flag: str,
    *,
    episodes: int = 1,
    sampled: bool = False,
    go_on: Callable[[int, int], bool] = lambda episodes, steps: True,
    watch: Callable[[Frame, float], None] = lambda frame, fps: None,
) -> Evaluation | None:
    """Play episodes, one after the other, into a video; None, and no file, if go_on interrupted it.

    An episode has a frame before each of its steps, and one of its end.

    Args:
        config: of the run: its environment, seed and limits.
        path: as `require_video` has it.
        flag: by which the user asked for it.
        go_on: as for evaluation.evaluate.
        watch: given each frame too, and how many there are a second.

    Raises:
        UsageError: the environment cannot be drawn here, or is not the one that the network was trained on.
        EnvironmentFault: it raised, or drew no picture.
        OSError: the file cannot be written.
    """
    with rendering(flag, "rgb_array"):
        made = _environments(config, episodes)
        with closing(made) as environments, VideoFile(path, fps := frames_a_second(made)) as video:
            require_form(config.env_id, network.spec, environments.obs_size, environments.action)

            def draw(played: int, steps: int) -> bool:
                frame = frame_of(environments)
                video.add(frame)
                watch(frame, fps)
                return go_on(played, steps)

            sequence = seed_sequences(config.seed).evaluation
            play = partial(evaluate, network, environments, episodes, sampled=sampled, sequence=sequence)
            evaluation = play(go_on=draw)
            if evaluation is not None:
                draw(episodes, sum(evaluation.lengths))
                video.keep()
    return evaluation


def _environments(config: Config, episodes: int) -> Environments:
    """One, in this process, whose episode's end can be looked at before the next begins."""
    single = replace(config, engine="sync", learner="auto", autoreset_mode="next-step", **WITHOUT_WORKERS)
    return make_evaluation_environments(single, episodes, "rgb_array")
