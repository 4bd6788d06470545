"""Which constants matter: Sobol indices and Morris effects, how far to trust them, figures, the page."""
