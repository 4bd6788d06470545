"""What a model is made of: modules, wires, constants and their laws, one flat text."""
