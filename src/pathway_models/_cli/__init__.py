"""The command `pathway-models`."""
