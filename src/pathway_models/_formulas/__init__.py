"""What the formulas of an SBML text are worth at time 0, and when they switch."""
