"""The training loop, checkpoints and schedules."""
