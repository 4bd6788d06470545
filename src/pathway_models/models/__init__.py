"""Models ready to be asked: the library, other people's SBML and PEtab files, a module in another's place."""
