"""Acting, and updating from a rollout: by torch on any device, or compiled for the CPU."""
