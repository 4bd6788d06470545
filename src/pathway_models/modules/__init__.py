"""Modules, wires between them and the flat model that they become: data, nothing is run here."""
