"""What a treatment is: diets, needles, drugs, levels and doses; no model is known here."""

from .diets import Fasting, KetogenicDiet, KetoneEster, MCTDiet, ModifiedAtkinsDiet
from .drugs import Drug, agents
from .schedule import Dose, Level, Treatment
from .stimulation import Electroacupuncture, acupuncture_points

__all__ = [
    "Dose",
    "Drug",
    "Electroacupuncture",
    "Fasting",
    "KetogenicDiet",
    "KetoneEster",
    "Level",
    "MCTDiet",
    "ModifiedAtkinsDiet",
    "Treatment",
    "acupuncture_points",
    "agents",
]
