"""Constants from observations: objective, fit, profiles, what the data cannot tell apart."""
