"""What a run leaves behind: metrics, checkpoints, and how their files are written."""
