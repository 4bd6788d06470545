"""What a treatment is: levels and doses, and the diets, drugs and stimulations made of them; no model."""

from .diets import Fasting, KetogenicDiet, KetoneEster, MCTDiet, MCTOil, ModifiedAtkinsDiet
from .drugs import Drug, agents
from .schedule import Dose, Level, Treatment
from .stimulation import Electroacupuncture, ShamAcupuncture, acupuncture_points

__all__ = [
    "Dose",
    "Drug",
    "Electroacupuncture",
    "Fasting",
    "KetogenicDiet",
    "KetoneEster",
    "Level",
    "MCTDiet",
    "MCTOil",
    "ModifiedAtkinsDiet",
    "ShamAcupuncture",
    "Treatment",
    "acupuncture_points",
    "agents",
]
