"""What changes over a run: the learning rate and the weight of the entropy bonus."""

from typing import NamedTuple

from vecac.config_parts import LearningSettings


class Rates(NamedTuple):
    """What one update is made with."""

    learning_rate: float
    ent_coef: float


def rates_at(settings: LearningSettings, env_steps: int) -> Rates:
    """The rates of the update whose rollout began at env_steps, so that even the last one moves something."""
    left = 1 - env_steps / settings.total_timesteps
    learning_rate, ent_coef = settings.learning_rate, settings.ent_coef
    if settings.anneals_lr:
        learning_rate = settings.lr_final + (learning_rate - settings.lr_final) * left
    if settings.ent_coef_schedule == "linear":
        ent_coef = settings.ent_coef_final + (ent_coef - settings.ent_coef_final) * left
    return Rates(learning_rate, ent_coef)
