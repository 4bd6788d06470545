"""Models on their way out: scenarios in every format, and what other tools make of them."""
