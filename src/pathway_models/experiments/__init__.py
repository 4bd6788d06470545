"""Questions to a model: arms and their combination, wires cut, contested mechanisms read otherwise, loops."""
