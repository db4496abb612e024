"""The algorithm as pure torch mathematics: targets and loss, the network, the rollout buffer."""
