"""What the formulas of an SBML text say: expressions, switches in time, values at the start."""
