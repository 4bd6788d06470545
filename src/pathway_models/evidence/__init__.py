"""Published experiments: tables, observations, how well a model predicts them, the works to cite."""
