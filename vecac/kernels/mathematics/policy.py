"""The policy, whichever head it has: drivers call what is here, and do not know which.

Shapes: U numbers of an action, L lanes.
"""

from typing import Any

from vecac.kernels.mathematics.categorical import differentiate_choice, greedy, sample, softmax
from vecac.kernels.mathematics.gaussian import differentiate_gaussian
from vecac.kernels.plumbing.choosing import chosen_by_type, has, length


@chosen_by_type()
def find_distribution(work: Any, step: Any, lane: Any) -> Any:
    """What the other functions need of a lane's heads of `step`."""

    def of_a_choice(work: Any, step: int, lane: int) -> None:
        work.log_normaliser[lane, 0] = softmax(work.heads[step, lane], work.probability[lane])

    def of_choices(work: Any, step: int, lane: int) -> None:
        first = 0
        for u in range(work.choice_sizes.size):
            end = first + work.choice_sizes[u]
            y, probability = work.heads[step, lane, first - u :], work.probability[lane, first:end]
            work.log_normaliser[lane, u] = softmax(y, probability)
            first = end

    def of_a_gaussian(work: Any, step: int, lane: int) -> None:
        pass

    return _choose(work, of_a_choice, of_choices, of_a_gaussian)


@chosen_by_type()
def act(work: Any, step: Any, lane: Any, noise_U: Any) -> Any:
    """Sample a lane's action by its distribution and noise: uniform numbers in [0, 1) or, of a Gaussian,
    normal ones."""

    def of_a_choice(work: Any, step: int, lane: int, noise_U: Any) -> None:
        work.action[lane, 0] = sample(work.probability[lane], noise_U[0])

    def of_choices(work: Any, step: int, lane: int, noise_U: Any) -> None:
        first = 0
        for u in range(work.choice_sizes.size):
            end = first + work.choice_sizes[u]
            work.action[lane, u] = sample(work.probability[lane, first:end], noise_U[u])
            first = end

    def of_a_gaussian(work: Any, step: int, lane: int, noise_U: Any) -> None:
        for u in range(work.std.size):
            work.action[lane, u] = work.heads[step, lane, u] + work.std[u] * noise_U[u]

    return _choose(work, of_a_choice, of_choices, of_a_gaussian)


@chosen_by_type()
def act_greedily(work: Any, step: Any, lane: Any) -> Any:
    """Take a lane's most probable action; of a Gaussian, the mean."""

    def of_a_choice(work: Any, step: int, lane: int) -> None:
        work.action[lane, 0] = greedy(work.heads[step, lane], work.probability.shape[1])

    def of_choices(work: Any, step: int, lane: int) -> None:
        first = 0
        for u in range(work.choice_sizes.size):
            work.action[lane, u] = greedy(work.heads[step, lane, first - u :], work.choice_sizes[u])
            first += work.choice_sizes[u]

    def of_a_gaussian(work: Any, step: int, lane: int) -> None:
        for u in range(work.std.size):
            work.action[lane, u] = work.heads[step, lane, u]

    return _choose(work, of_a_choice, of_choices, of_a_gaussian)


@chosen_by_type()
def differentiate_policy(work: Any, step: Any, lane: Any, advantage: Any, ent_coef: Any) -> Any:
    """d_heads of a lane's action; returns its log pi(a|s) and the entropy of pi(.|s)."""

    def of_a_choice(work: Any, step: int, lane: int, advantage: Any, ent_coef: Any) -> Any:
        return differentiate_choice(
            work.heads[step, lane],
            work.probability[lane],
            work.log_normaliser[lane, 0],
            work.action[lane, 0],
            advantage,
            ent_coef,
            work.d_heads[lane],
        )

    def of_choices(work: Any, step: int, lane: int, advantage: Any, ent_coef: Any) -> Any:
        first, log_probability, entropy = 0, work.log_normaliser[lane, 0], work.log_normaliser[lane, 0]
        log_probability -= log_probability
        entropy -= entropy
        for u in range(work.choice_sizes.size):
            end = first + work.choice_sizes[u]
            one_log_probability, one_entropy = differentiate_choice(
                work.heads[step, lane, first - u :],
                work.probability[lane, first:end],
                work.log_normaliser[lane, u],
                work.action[lane, u],
                advantage,
                ent_coef,
                work.d_heads[lane, first - u :],
            )
            log_probability += one_log_probability
            entropy += one_entropy
            first = end
        return log_probability, entropy

    def of_a_gaussian(work: Any, step: int, lane: int, advantage: Any, ent_coef: Any) -> Any:
        return differentiate_gaussian(work, step, lane, advantage, ent_coef)

    return _choose(work, of_a_choice, of_choices, of_a_gaussian)


@chosen_by_type()
def value_of(work: Any, step: Any, lane: Any) -> Any:
    """V(s) of a lane's row of `step`."""
    if has(work, "critic"):
        return lambda work, step, lane: work.critic.heads[step, lane, 0]
    index = _num_policy_heads(work)
    return lambda work, step, lane: work.heads[step, lane, index]


@chosen_by_type()
def set_d_value(work: Any, lane: Any, d_value: Any) -> Any:
    """The derivative of the loss by V(s)."""

    def of_critic(work: Any, lane: int, d_value: Any) -> None:
        work.critic.d_heads[lane, 0] = d_value

    index = _num_policy_heads(work)

    def of_last_head(work: Any, lane: int, d_value: Any) -> None:
        work.d_heads[lane, index] = d_value

    return of_critic if has(work, "critic") else of_last_head


def _choose(work: Any, of_a_choice: Any, of_choices: Any, of_a_gaussian: Any) -> Any:
    if has(work, "std"):
        return of_a_gaussian
    return of_choices if has(work, "choice_sizes") else of_a_choice


def _num_policy_heads(work: Any) -> int:
    if has(work, "std"):
        return length(work, "std")
    return length(work, "probability") - length(work, "log_normaliser")
