"""One run: phases, tolerances, libroadrunner, the course that comes back."""
