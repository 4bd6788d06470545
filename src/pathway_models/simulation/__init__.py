"""One run of one flat model: phases between known switch times, libroadrunner, tolerances, rest."""
