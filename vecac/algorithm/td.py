"""The TD targets and the loss.

Shapes: T rollout steps, N environments, A actions, B valid transitions.

Two masks, never one: `terminated` zeroes the bootstrap, `valid` says which rows are transitions at all. Rows
that are not valid are left out before they reach `td_loss`; multiplying them by zero would keep a NaN.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vecac.algorithm.heads import Categorical


class LossTerms(NamedTuple):
    """The loss and its parts, each a 0-d mean over the B rows."""

    total: Tensor
    policy: Tensor
    value: Tensor
    entropy: Tensor


def td_targets(reward: Tensor, terminated: Tensor, next_value: Tensor, gamma: float) -> Tensor:
    """One-step targets: r + gamma * V(s'), where V is 0 after termination.

    Args:
        reward: any shape, float32, already scaled.
        terminated: same shape, bool. Truncation is not termination.
        next_value: same shape, V of the true successor, which no reset has replaced.
        gamma: discount factor.

    Raises:
        ValueError: the shapes differ (broadcasting (N,) with (N, 1) would go unnoticed), or
            terminated is not bool.
    """
    _check_rewarded(reward, next_value, terminated=terminated)
    return reward + gamma * next_value.masked_fill(terminated, 0.0)


def td_lambda_targets(
    reward_TN: Tensor,
    terminated_TN: Tensor,
    truncated_TN: Tensor,
    next_value_TN: Tensor,
    gamma: float,
    td_lambda: float,
) -> Tensor:
    """TD(lambda) targets (Sutton & Barto 2018, eq. 12.18 as a recursion), (T, N):

        G_t = r_t + discount_t * ((1 - lambda_t) * V(s'_t) + lambda_t * G_{t+1})

    Termination is a zero discount, truncation is a zero lambda, and so is the rollout's end. A row
    behind an episode's end therefore never reaches the rows before it. td_lambda = 0 is
    `td_targets`; td_lambda = 1 is the Monte Carlo return, bootstrapped where it is cut off.

    Raises:
        ValueError: a shape is not reward's (T, N), or a mask is not bool.
    """
    if reward_TN.dim() != 2:
        raise ValueError(f"reward must be (T, N), not {tuple(reward_TN.shape)}")
    _check_rewarded(reward_TN, next_value_TN, terminated=terminated_TN, truncated=truncated_TN)
    target_TN = torch.empty_like(reward_TN)
    following_N = next_value_TN[-1]
    for t in reversed(range(len(reward_TN))):
        next_value_N = next_value_TN[t]
        mixed_N = torch.lerp(next_value_N, following_N, td_lambda)
        tail_N = torch.where(truncated_TN[t], next_value_N, mixed_N)
        following_N = td_targets(reward_TN[t], terminated_TN[t], tail_N, gamma)
        target_TN[t] = following_N
    return target_TN


def td_loss(
    logits: Tensor,
    value: Tensor,
    action: Tensor,
    target: Tensor,
    ent_coef: float = 0.0,
    vf_coef: float = 1.0,
) -> LossTerms:
    """`actor_critic_loss` of a policy softmax(logits), of which the notebook's is the case of ent_coef 0:

        entropy = -sum_a pi(a|s) * log pi(a|s)

    Args:
        logits: (B, A) float32.
        value: (B,) float32.
        action: (B,) int64 in [0, A).
        target: (B,) float32.

    Raises:
        ValueError: a wrong shape, an action that is not int64, or no rows (their mean is NaN).
    """
    _check_logits(logits, action)
    log_prob, entropy = Categorical(logits.shape[1]).evaluate(logits, action)
    return actor_critic_loss(log_prob, entropy, value, target, ent_coef, vf_coef)


def actor_critic_loss(
    log_prob: Tensor,
    entropy: Tensor,
    value: Tensor,
    target: Tensor,
    ent_coef: float = 0.0,
    vf_coef: float = 1.0,
    value_loss: str = "smooth-l1",
    advantage: Tensor | None = None,
) -> LossTerms:
    """The actor-critic loss on valid rows only, every term a mean over the B rows:

        policy  = -log pi(a|s) * stop_gradient(target - V(s))
        value   = smooth_l1(V(s), stop_gradient(target)), beta = 1, or (V(s) - stop_gradient(target))^2
        entropy = of pi(.|s)
        total   = policy + vf_coef * value - ent_coef * entropy

    Args:
        log_prob, entropy: (B,) float32, of the policy; see heads.py.
        value, target: (B,) float32.
        value_loss: smooth-l1 or mse.
        advantage: (B,) float32, in place of target - V(s) in `policy`: `normalized` over an update, say.

    Raises:
        ValueError: a shape that is not log_prob's, or no rows.
    """
    rest = {"entropy": entropy, "value": value, "target": target}
    _check_rows(log_prob, **rest, **({} if advantage is None else {"advantage": advantage}))
    target = target.detach()
    advantage = target - value.detach() if advantage is None else advantage.detach()

    policy = -(log_prob * advantage).mean()
    value_error = F.mse_loss(value, target) if value_loss == "mse" else F.smooth_l1_loss(value, target)
    mean_entropy = entropy.mean()
    total = policy + vf_coef * value_error
    if ent_coef:  # otherwise the backward pass would compute a gradient to multiply it by zero
        total = total - ent_coef * mean_entropy
    return LossTerms(total, policy, value_error, mean_entropy)


def normalized(advantage: Tensor) -> Tensor:
    """(advantage - mean) / (std + 1e-8) over all rows (B,), by the sample's standard deviation, as in
    Stable-Baselines3's A2C; unchanged where there is one row, which has none."""
    if len(advantage) == 1:
        return advantage
    return (advantage - advantage.mean()) / (advantage.std() + 1e-8)


def _check_rewarded(reward: Tensor, next_value: Tensor, **masks: Tensor) -> None:
    for name, tensor in (*masks.items(), ("next_value", next_value)):
        if tensor.shape != reward.shape:
            raise ValueError(
                f"{name} must have reward's shape {tuple(reward.shape)}, not {tuple(tensor.shape)}"
            )
    for name, mask in masks.items():
        if mask.dtype != torch.bool:
            raise ValueError(f"{name} must be bool, not {mask.dtype}")


def _check_logits(logits: Tensor, action: Tensor) -> None:
    if logits.dim() != 2 or len(logits) == 0:
        raise ValueError(f"logits must be (B, A) with at least one row, not {tuple(logits.shape)}")
    if action.shape != logits.shape[:1]:
        raise ValueError(f"action must be ({len(logits)},), not {tuple(action.shape)}")
    if action.dtype != torch.int64:
        raise ValueError(f"action must be int64, not {action.dtype}")


def _check_rows(log_prob: Tensor, **others: Tensor) -> None:
    if log_prob.dim() != 1 or len(log_prob) == 0:
        raise ValueError(f"log_prob must be (B,) with at least one row, not {tuple(log_prob.shape)}")
    for name, tensor in others.items():
        if tensor.shape != log_prob.shape:
            raise ValueError(f"{name} must be ({len(log_prob)},), not {tuple(tensor.shape)}")
