"""What runs the mathematics: environment and learning in one pass, or over a rollout buffer."""
