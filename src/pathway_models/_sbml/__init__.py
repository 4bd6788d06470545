"""SBML text, whoever wrote it: files of any format in and out, mending, units, annotation; no model of ours."""
