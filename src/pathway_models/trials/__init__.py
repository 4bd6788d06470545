"""Virtual patients, trials with them, and published trials to compare with."""
