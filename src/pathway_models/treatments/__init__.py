"""What a treatment is: levels and doses, and the diets, drugs and stimulations made of them; no model."""
