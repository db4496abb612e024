"""What a run leaves behind: metrics, checkpoints, and the folder that holds them."""
