"""SBML text, with no knowledge of our models: read, checked, mended, edited, written."""
