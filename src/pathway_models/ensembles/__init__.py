"""Many runs of one model: outcomes, rows, the choice of an engine, processes, checkpoints."""
