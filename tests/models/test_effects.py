"""What each module does when one of its inputs changes, against the observations that it was written for.

Each case has as its id the rows of the evidence tables that it rests on. A sign needs a relative change above MARGIN.
Sizes are asked for only where a row gives one: within the printed error of the row (carried over to the fold), within
its printed range, or, for a row without an error, within a quarter of the change. `assumed` marks what no row supports:
there the test only holds the model to its own description. A row that the model is known to miss, and whose notes say
so, stands as a strict expected failure: repair the model and the test asks to be moved.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
import xarray as xr

import pathway_models as pm

H, E = "healthy", "epilepsy"
UP, DOWN, SAME, ANY = 1, -1, 0, None
MARGIN = 1e-3  # smallest relative change that counts as a direction
UNCHANGED = 1e-6  # largest relative change that counts as none
REST = 20_000.0  # hours, to the new rest
EVERYTHING = "every output"

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """A module in a context with inputs held constant and doses at the start, for so many hours.

    `both` holds constants and inputs that the reference has as well, from before the start.
    """

    model: str
    context: str = H
    levels: tuple[tuple[str, float], ...] = ()
    doses: tuple[tuple[str, float], ...] = ()
    both: tuple[tuple[str, float], ...] = ()
    hypotheses: tuple[tuple[str, str], ...] = ()
    hours: float = REST


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The direction of an observable in `arm` over `reference`, and its size where that is known."""

    arm: Arm
    reference: Arm
    observable: str
    evidence: str
    sign: int | None
    fold: Range | None = None
    value: Range | None = None
    change: Range | None = None
    shortfall: str = ""  # what the notes of the model say, where it misses the row

    @property
    def id(self) -> str:
        """Evidence ids, what is done, and what is looked at."""
        given = (*self.arm.levels, *self.arm.doses, *self.arm.both)
        done = ",".join([*(f"{k}={v:g}" for k, v in given), *(a for _, a in self.arm.hypotheses)])
        hours = "" if self.arm.hours == REST else f"-{self.arm.hours:g}h"
        what = self.observable.replace(" ", "_")
        return f"{self.arm.model}:{self.evidence}-{self.arm.context}-{done or 'untreated'}{hours}-{what}"


@cache
def final(arm: Arm) -> dict[str, float]:
    """All states and outputs at the end of an arm."""
    model = pm.load(arm.model, context=arm.context)
    for hypothesis, alternative in arm.hypotheses:
        model = model.with_hypothesis(hypothesis, alternative)
    model = model.with_parameters(dict(arm.both))
    levels = [pm.Level(input=k, value=v) for k, v in arm.levels]
    doses = [pm.Dose(input=k, amount=v, times=(0.0,)) for k, v in arm.doses]
    run = model.simulate([*levels, *doses], duration=arm.hours, every=arm.hours)
    return {str(k): float(v[-1]) for k, v in run.data_vars.items()}


def quarter(change: float) -> Range:
    """A fold of 1 + change give or take a quarter of the change: for a row that prints no error."""
    return 1 + change - abs(change) / 4, 1 + change + abs(change) / 4


def quarter_of(value: float) -> Range:
    """A value give or take a quarter: for a row that prints no error."""
    return value * 0.75, value * 1.25


def ratio(treated: Range, control: Range) -> Range:
    """The fold of two means, each as (mean, error), with the errors propagated."""
    fold = treated[0] / control[0]
    error = fold * math.hypot(treated[1] / treated[0], control[1] / control[0])
    return fold - error, fold + error


def exactly(value: float) -> dict[str, Range]:
    """A change that follows from the weights alone, to three decimals."""
    return {"change": (value - 5e-4, value + 5e-4)}


class Table(list[Effect]):
    """Rows of effects of one module."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model

    def arm(
        self,
        context: str = H,
        hours: float = REST,
        hypotheses: dict[str, str] | None = None,
        *,
        doses: Mapping[str, float] | None = None,
        both: Mapping[str, float] | None = None,
        **levels: float,
    ) -> Arm:
        """One arm of this module."""
        return Arm(
            model=self.model,
            context=context,
            levels=tuple(levels.items()),
            doses=tuple((doses or {}).items()),
            both=tuple((both or {}).items()),
            hypotheses=tuple((hypotheses or {}).items()),
            hours=hours,
        )

    def add(self, arm: Arm, *rows: tuple, over: Arm | None = None) -> None:
        """Rows (observable, sign, evidence, {fold, value, change or shortfall}) of one arm.

        Without `over` the reference is the same arm with its inputs at their references.
        """
        reference = over or replace(arm, levels=(), doses=())
        for observable, sign, evidence, *size in rows:
            sizes = size[0] if size else {}
            self.append(
                Effect(arm=arm, reference=reference, observable=observable, sign=sign, evidence=evidence, **sizes)
            )


def inflammation() -> Table:
    """nlrp3_il1b."""
    t = Table("nlrp3_il1b")
    # Kindled and control brain, 109.2 +- 6.0 and 56.8 +- 6.0 pg/mg. The model was set to it: no independent test.
    tnf = ratio((109.2, 6.0), (56.8, 6.0))
    t.add(
        t.arm(E),
        ("TNF", UP, "r021,r022,r023", {"fold": tnf}),
        ("NFKB", UP, "r043"),
        ("NLRP3", UP, "r032,r033,r034,r042"),
        ("CASP1", UP, "r032,r033,r034,r042"),
        ("IL1B", UP, "r042,r043"),
        ("GSDMD", UP, "r041"),
        ("NMDA_gain", UP, "r017", {"value": (1.0, 1.45)}),
        ("GABAA_gain", DOWN, "r018", {"value": (0.70, 1.0)}),
        over=t.arm(H),
    )
    t.add(t.arm(H, seizure_drive=1), ("IL1B", UP, "r042"), ("GABAA_gain", SAME, "r019", {"value": (1.0, 1.0)}))
    # Receptor gains with the inflammation as high as the inputs can drive it: the measured maxima are ceilings.
    worst = {"seizure_drive": 3, "systemic_priming": 3, "mito_ROS": 4, "antioxidant": 0.2, "autophagy_flux": 0.2}
    t.add(
        t.arm(E, **worst),
        ("NMDA_gain", UP, "r017", {"value": (1.3, 1.45)}),
        ("GABAA_gain", DOWN, "r018,p036", {"value": (0.70, 0.8)}),
    )
    t.add(
        t.arm(E, BHB=2),
        ("CASP1", DOWN, "r069,r076"),
        ("IL1B", DOWN, "r069,r074"),
        ("TNF", DOWN, "r075,r078"),
    )
    # Three days of fasting; no row has a size.
    t.add(t.arm(E, BHB=0.98), ("IL1B", DOWN, "r069,r074"))
    t.add(t.arm(E, hypotheses={"bhb_site": "none"}, BHB=2), (EVERYTHING, SAME, "r084"))
    t.add(
        t.arm(E, hypotheses={"bhb_site": "priming"}, BHB=2),
        ("NFKB", DOWN, "r073"),
        ("IL6", DOWN, "r077,r078"),
        ("TNF", DOWN, "r077,r078"),
        ("IL1B", DOWN, "r077"),
    )
    t.add(
        t.arm(E, vagal_drive=0.5),
        ("NFKB", DOWN, "r090,r094"),
        ("TNF", DOWN, "r087,r094"),
        ("IL1B", DOWN, "r087,r094"),
        ("IL6", DOWN, "r088,r094"),
        ("IL10", UP, "r089"),
        ("NLRP3", DOWN, "r100,r101,r102"),
        ("CASP1", DOWN, "r101,r102"),
    )
    # "None" in these rows is no significant change; how small the change was is not printed.
    t.add(
        t.arm(E, hypotheses={"ea_pattern": "TNF_only"}, vagal_drive=0.5),
        ("TNF", DOWN, "r095", {"fold": (0.0, 0.8)}),
        ("IL1B", ANY, "r096", {"fold": (0.95, 1.05), "shortfall": "IL-1beta falls too, through TNF on NF-kB"}),
        ("IL6", ANY, "r096", {"fold": (0.95, 1.05)}),
    )
    t.add(
        t.arm(E, hypotheses={"ea_pattern": "assembly_only"}, vagal_drive=0.5),
        ("IL1B", DOWN, "r085", {"fold": (0.0, 0.8)}),
        ("TNF", ANY, "r086", {"fold": (0.9, 1.1)}),
    )
    t.add(
        t.arm(H, BHB=2),
        ("CASP1", UP, "r083", {"shortfall": "acute ketones raise caspase-1 in monocytes; no hypothesis gives a rise"}),
    )
    t.add(t.arm(E, antioxidant=2), ("ROS", DOWN, "r072"), ("CASP1", DOWN, "r072"), ("IL1B", DOWN, "r072"))
    t.add(
        t.arm(E, autophagy_flux=1.5),
        ("NLRP3", DOWN, "assumed"),
        ("pro_IL1B", DOWN, "assumed"),
        ("IL1B", DOWN, "assumed"),
    )
    t.add(t.arm(E, mito_ROS=1.5), ("CASP1", UP, "r072"), ("IL1B", UP, "r072"))
    t.add(t.arm(E, hypotheses={"ros_trigger": "not_needed"}, mito_ROS=1.5), (EVERYTHING, SAME, "p017"))
    t.add(
        t.arm(H, systemic_priming=1),
        ("NFKB", UP, "r094"),
        ("TNF", UP, "r093,r094"),
        ("IL1B", UP, "r094"),
    )
    # Statements without a size are switches, off unless asked for.
    t.add(t.arm(E, hypotheses={"mapk_ap1": "half"}, BHB=1.5), ("IL6", DOWN, "hypothesis,r077"))
    microglia = ("microglia", UP, "hypothesis,assumed", {"shortfall": "IL-6 rises as its other arms do: no difference"})
    t.add(t.arm(E, hypotheses={"il6_effect": "microglia"}), microglia, over=t.arm(E))
    for alternative, sign, row in (("tnfr1", DOWN, "r059"), ("tnfr2", UP, "r058")):
        arm = t.arm(H, hypotheses={"tnf_receptors": alternative}, systemic_priming=1)
        t.add(arm, ("GABAA_gain", sign, f"hypothesis,{row}"))
    t.add(
        t.arm(E, MCC950=1),
        ("CASP1", DOWN, "p028", {"value": (0.0, 0.05)}),
        ("IL1B", DOWN, "r051"),
    )
    t.add(
        t.arm(E, caspase1_inhibitor=9),
        ("IL1B", DOWN, "r013", {"fold": (0.0, 0.2)}),
        ("GSDMD", DOWN, "r013"),
    )
    t.add(
        t.arm(E, IL1Ra=9),
        ("NMDA_gain", DOWN, "p034", {"value": (0.98, 1.02)}),
        ("GABAA_gain", UP, "p034", {"value": (0.98, 1.02)}),
        ("IL1B", ANY, "p034", {"value": (3.0, math.inf)}),
    )
    return t


def autophagy() -> Table:
    """mtor_autophagy."""
    t = Table("mtor_autophagy")
    t.add(
        t.arm(H, insulin=0.66),
        ("AKT_activity", DOWN, "MTA_R011"),
        ("S6K_activity", DOWN, "MTA_R010"),
        ("BECN1_activity", UP, "MTA_R028"),
    )
    t.add(
        t.arm(E, insulin=0.66),
        ("LC3II", UP, "MTA_R021"),
        ("p62_relative", DOWN, "MTA_R022"),
        ("S6K_activity", DOWN, "MTA_R014"),
    )
    t.add(t.arm(H, amino_acids=0.5), ("MTORC1_activity", DOWN, "MTA_P053"), ("LC3II", UP, "MTA_P053"))
    t.add(
        t.arm(H, AMPK=2.5),
        ("ULK1_activity", UP, "MTA_P206"),
        ("MTORC1_activity", DOWN, "MTA_P091"),
        ("LC3II", UP, "MTA_P206"),
    )
    t.add(t.arm(E, AMPK=2.5), ("autophagy_flux", UP, "MTA_R125"))
    # Below rest AMPK releases nothing: on the diet AMPK and mTORC1 fall together.
    t.add(t.arm(H, AMPK=0.6), ("MTORC1_activity", ANY, "MTA_R010,MTA_R037", {"fold": (0.999, 1.001)}))
    t.add(
        t.arm(H, hypotheses={"ampk_autophagy": "ulk1_and_mtor"}, AMPK=0.6),
        ("MTORC1_activity", UP, "hypothesis,MTA_P091"),
        ("LC3II", DOWN, "hypothesis,MTA_P206"),
    )
    t.add(
        t.arm(H, hours=2160, insulin=0.52),
        ("IGF1", DOWN, "MTA_R132", {"fold": quarter(0.42 - 1)}),  # set to it
        ("AKT_activity", DOWN, "MTA_R011"),
    )
    t.add(
        t.arm(H, BHB=1.5),
        ("BECN1_activity", UP, "MTA_R028"),
        ("LC3II", UP, "MTA_R032"),
        ("autophagy_flux", UP, "MTA_R022"),
        ("p62_relative", DOWN, "MTA_R022"),
        ("AKT_activity", SAME, "MTA_R138"),
    )
    # Where formation is high already, more lysosomes win: LC3-II and p62 fall together at more flux.
    t.add(
        t.arm(H, hours=24, both={"AMPK": 3, "insulin": 0.5}, BHB=6),
        ("LC3II", DOWN, "MTA_R042"),
        ("p62_relative", DOWN, "MTA_R043"),
        ("autophagy_flux", UP, "MTA_R042"),
    )
    t.add(t.arm(H, hypotheses={"bhb_pi3k": "inhibits"}, BHB=1.5), ("AKT_activity", DOWN, "hypothesis,assumed"))
    t.add(t.arm(H, injury=1), ("S6K_activity", UP, "MTA_R004,MTA_R005"))
    t.add(t.arm(E, rapamycin=57.5), ("sprouting_drive", DOWN, "MTA_R087"))
    t.add(t.arm(H, TrkB=1.3), ("AKT_activity", UP, "assumed"))
    t.add(
        t.arm(H, seizure_drive=1),
        ("S6K_activity", UP, "MTA_R004,MTA_R006"),
        ("AKT_activity", UP, "MTA_R128"),
        ("LC3II", DOWN, "assumed"),
        (
            "LC3II",
            UP,
            "MTA_R126",
            {"shortfall": "kainate raises LC3 and p-mTOR together; seizures alone lower LC3-II, AMPK has to rise"},
        ),
    )
    t.add(t.arm(E, insulin=0.66, AMPK=0.8), ("LC3II", UP, "MTA_R021,MTA_R034"))
    # With AMPK up as well seizures raise mTORC1 and the markers of autophagy together, as after kainate.
    t.add(
        t.arm(H, seizure_drive=3, AMPK=2),
        ("MTORC1_activity", UP, "MTA_R126"),
        ("LC3II", UP, "MTA_R126"),
        ("BECN1_activity", UP, "MTA_R126"),
        over=t.arm(H),
    )
    t.add(t.arm(H, EA_drive=1), (EVERYTHING, SAME, "assumed,set_point"))
    t.add(
        t.arm(E, EA_drive=1),
        ("AKT_activity", DOWN, "MTA_R049"),
        ("MTORC1_activity", DOWN, "MTA_R050"),
        ("ULK1_activity", UP, "MTA_R051"),
        ("LC3II", UP, "MTA_R052"),
    )
    ischaemia = {"insulin": 0.4, "TrkB": 0.5, "AMPK": 1.8}
    t.add(
        t.arm(H, **ischaemia, EA_drive=1),
        ("AKT_activity", UP, "MTA_R069"),
        ("MTORC1_activity", UP, "MTA_R064"),
        ("LC3II", DOWN, "MTA_R060"),
        ("p62_relative", UP, "MTA_R071"),
        over=t.arm(H, **ischaemia),
    )
    t.add(t.arm(H, rapamycin=11.5), ("S6K_activity", DOWN, "MTA_R104"), ("AKT_activity", UP, "MTA_P037,MTA_P038"))
    for alternative, sign, row in (("none", SAME, "MTA_P037"), ("positive", DOWN, "MTA_P033")):
        arm = t.arm(H, hypotheses={"mtorc1_irs": alternative}, rapamycin=11.5)
        t.add(arm, ("AKT_activity", sign, f"hypothesis,{row}"))
    t.add(t.arm(E, rapamycin=57.5), ("S6K_activity", DOWN, "MTA_R009"))
    t.add(t.arm(E, decanoic_acid=0.5), ("MTORC1_activity", DOWN, "MTA_R048"))
    t.add(t.arm(H, BCL2=2), ("BECN1_activity", DOWN, "assumed"), ("LC3II", DOWN, "assumed"))
    t.add(t.arm(H, lysosome_activity=2), ("LC3II", DOWN, "MTA_R042"), ("autophagy_flux", SAME, "assumed"))
    return t


def mitochondria() -> Table:
    """ampk_pgc1a."""
    t = Table("ampk_pgc1a")
    t.add(t.arm(H, hours=48, BHB=1), ("NAD", UP, "APG-R016"))
    t.add(
        t.arm(H, hours=504, BHB=1),
        ("GSH", UP, "APG-R006", {"fold": quarter(+1.0)}),  # tuned to it
        ("ROS", DOWN, "APG-R008"),
        ("PGC1A_mRNA", UP, "APG-R004"),
        ("mito_functional", UP, "APG-R001"),
    )
    t.add(t.arm(E, hours=504, BHB=1), ("ROS", DOWN, "assumed"), ("complex_I", UP, "assumed"))
    t.add(t.arm(H, hours=48, seizure_drive=1), ("pAMPK", UP, "APG-R018"))
    t.add(t.arm(H, hours=48, PGC1A_drive=1.5), ("PGC1A_mRNA", UP, "APG-R048"), ("PGC1A", UP, "assumed"))
    t.add(
        t.arm(H, seizure_drive=1, AMP_ATP=1.3),
        ("complex_I", DOWN, "APG-R049", {"fold": quarter(-0.6)}),  # tuned to it
        ("ROS", UP, "APG-R050,APG-R052,APG-R054"),
        ("GSH", DOWN, "APG-R055"),
    )
    t.add(
        t.arm(H, hours=48, AMP_ATP=1.3),
        ("pAMPK", UP, "APG-R083,APG-R086"),
        ("GLUT_surface", UP, "APG-R100,APG-R103"),
    )
    early = "AICAR acts at once in the model: no uptake, no conversion to ZMP"
    t.add(t.arm(H, hours=1, AICAR=1), ("pAMPK", UP, "APG-R107", {"fold": quarter(+0.76), "shortfall": early}))
    t.add(
        t.arm(H, hours=2, AICAR=1),
        ("NAD", UP, "APG-R119", {"fold": quarter(+0.26), "shortfall": early}),
        ("PGC1A_acetylation", DOWN, "APG-R123", {"fold": quarter(0.943 - 1), "shortfall": early}),
    )
    t.add(
        t.arm(H, hours=4, AICAR=1),
        ("pAMPK", UP, "APG-R108", {"fold": quarter(+1.59)}),
        ("NAD", UP, "APG-R120", {"fold": quarter(+0.81)}),
        ("PGC1A_acetylation", DOWN, "APG-R124", {"fold": quarter(0.79 - 1), "shortfall": early}),
    )
    t.add(t.arm(H, hours=8, AICAR=1), ("PGC1A_acetylation", DOWN, "APG-R125", {"fold": quarter(0.225 - 1)}))
    t.add(t.arm(H, hours=16, AICAR=1), ("pAMPK", UP, "APG-R109", {"fold": quarter(+1.26)}))
    t.add(
        t.arm(H, hours=12, AICAR=1),
        ("NAD", UP, "APG-R122", {"fold": quarter(+1.06)}),
        ("PGC1A_acetylation", DOWN, "APG-R126", {"fold": quarter(0.194 - 1)}),
    )
    t.add(t.arm(H, hours=24, AICAR=1), ("pAMPK", UP, "APG-R110", {"fold": quarter(+1.78)}))
    t.add(
        t.arm(E, hours=168, EA_drive=1),
        ("pAMPK", UP, "APG-R065"),
        ("TFAM", UP, "APG-R064"),
        ("PGC1A", UP, "APG-R064"),
        ("complex_I", UP, "APG-R061"),
        ("PGC1A_acetylation", DOWN, "APG-R072"),
    )
    t.add(t.arm(E, hours=504, IL1B=5), ("ROS", UP, "assumed"), ("GSH", DOWN, "assumed"))
    t.add(t.arm(H, hours=1, NAD_precursor=1), ("NAD", UP, "APG-R152"), ("SIRT1_activity", UP, "assumed"))
    t.add(t.arm(E, hours=48, PARP_inhibitor=9), ("NAD", UP, "APG-P072"), ("SIRT1_activity", UP, "assumed"))
    t.add(t.arm(H, hours=48, DNA_damage=1), ("NAD", DOWN, "APG-P072"), ("PARP_activity", UP, "assumed"))
    # The oxidised part of the pool hardly grows: 7.5 NAD+ to an NADH in human brain.
    t.add(
        t.arm(H, hours=48, NAD_NADH=1.22),
        ("NAD_oxidised", UP, "APG-R016,APG-P109", {"fold": (1.0, 1.05)}),
        ("SIRT1_activity", UP, "APG-R032"),
    )
    t.add(t.arm(E), ("membrane_potential", DOWN, "APG-P093"), over=t.arm(H))
    for alternative, sign in (("none", SAME), ("raises", UP)):
        t.add(
            t.arm(H, hours=48, hypotheses={"ampk_glycolysis": alternative}, AMP_ATP=1.3),
            ("glycolysis_enzymes", sign, "hypothesis,assumed"),
        )
    t.add(t.arm(E, hours=504, MTORC1=0.5), ("mito_damaged", DOWN, "mtor_autophagy:MTA_P206"))
    for alternative, sign, row in (("none", SAME, "assumed"), ("lowers", DOWN, "APG-R019"), ("raises", UP, "APG-R046")):
        t.add(t.arm(H, hours=48, hypotheses={"kd_ampk": alternative}, BHB=1), ("pAMPK", sign, f"hypothesis,{row}"))
    t.add(
        t.arm(E, hours=168, hypotheses={"ea_ampk": "lowers"}, EA_drive=1),
        ("pAMPK", DOWN, "hypothesis,APG-R073"),
        ("PGC1A_acetylation", DOWN, "hypothesis,APG-R072"),
    )
    return t


def inhibition() -> Table:
    """gaba_gad67."""
    t = Table("gaba_gad67")
    t.add(
        t.arm(H, BHB=0.5),
        ("ASP_relative", DOWN, "ket_yud_asp"),
        ("KCC2", UP, "kd_kcc2"),
        ("GAD67_mRNA", UP, "kd_qiao_gad1"),
    )
    t.add(t.arm(H, AcAc=0.3), ("release_E", DOWN, "acac_glurel"), ("GLU", DOWN, "acac_glurel"))
    t.add(t.arm(H, hypotheses={"vglut": "low_chloride"}, AcAc=0.3), ("GLU", DOWN, "hypothesis,acac_glurel"))
    t.add(t.arm(H, hypotheses={"ketone_gabat": "lowers"}, BHB=0.5), ("GABAT", DOWN, "hypothesis,kd_noh_gabat"))
    t.add(t.arm(H, KYNA=0.34), ("GLU", UP, "kat2_ko_glu,kat2_ko_kyna", {"fold": quarter(0.51)}))
    t.add(t.arm(H, KYNA=3), ("GLU", DOWN, "kyna_pfc,kyna_striatum"))
    t.add(t.arm(H, CMRglc=0.8), (EVERYTHING, SAME, "kd_zhang_gaba"))
    t.add(t.arm(H, release_brake=0.5), ("release_E", DOWN, "assumed"), ("excitation", DOWN, "assumed"))
    t.add(t.arm(H, gut_glutamate_drive=0.5), ("GLU_total", UP, "assumed"))
    t.add(
        t.arm(H, hypotheses={"energy_drive": "glucose"}, CMRglc=0.8),
        ("GABA", DOWN, "ke_kash_gaba"),
        ("GLU_total", DOWN, "ke_kash_glu"),
    )
    short = "with brain ketones of an ester and glucose use 0.7 GABA falls by 45 percent"
    t.add(
        t.arm(H, hypotheses={"energy_drive": "glucose"}, CMRglc=0.7, BHB=0.5, AcAc=0.1),
        ("GABA", DOWN, "ke_kash_gaba", {"fold": quarter(-0.34), "shortfall": short}),
        ("GLU_total", DOWN, "ke_kash_glu", {"fold": quarter(-0.175)}),
    )
    t.add(
        t.arm(H, BHB=0.5, AcAc=0.1),
        ("GABA_GLU", UP, "kd_qiao_ratio,kd_olson_ratio"),
    )
    t.add(t.arm(H, hypotheses={"vglut": "none"}, BHB=0.5, AcAc=0.1), ("GABA_GLU", UP, "hypothesis,kd_qiao_ratio"))
    t.add(t.arm(E, GABAA_gain=0.7), ("inhibition", DOWN, "nlrp3_il1b:r018", {"fold": (0.699, 0.701)}))
    t.add(t.arm(E, NMDA_gain=1.45), ("excitation", UP, "nlrp3_il1b:r017"), ("GLU", SAME, "nlrp3_il1b:r017"))
    t.add(t.arm(H, p62=3), ("GABAA", DOWN, "p62_gabaa"), ("KCC2", SAME, "assumed"))
    t.add(
        t.arm(H, hypotheses={"ea_subunits": "raises"}, EA_drive=1),
        ("GABAA_alpha2", UP, "hypothesis,assumed"),
        ("GABAB", UP, "hypothesis,assumed"),
    )
    t.add(
        t.arm(E, EA_drive=1),
        ("GAD67_mRNA", UP, "ea_guo_gad67gcl"),
        ("GABA", UP, "assumed"),
        ("GLU", DOWN, "ma_glu_d1"),
        ("GABA_extracellular", UP, "ea_ptz_gaba"),
    )
    short = "within 20 minutes glutamate rises by about 1 percent with the GABA that astrocytes take up"
    t.add(
        t.arm(E, hours=0.33, EA_drive=1),
        ("GABA_extracellular", UP, "ea_ptz_gaba"),
        ("GLU", SAME, "ea_ptz_glu", {"shortfall": short}),
    )
    t.add(t.arm(E, hypotheses={"ea_gad1": "none"}, EA_drive=1), ("GAD67_mRNA", SAME, "ea_guo_gad67hil"))
    t.add(
        t.arm(H, seizure_drive=1),
        ("KCC2", DOWN, "kd_kcc2_kindl"),
        ("GABAA", SAME, "dis_bzr"),
        ("GABAA", DOWN, "dis_delta", {"shortfall": "no receptors are lost per neuron, as in patients (dis_bzr)"}),
        ("GABAB", UP, "dis_gabab"),
        ("inhibition", DOWN, "assumed"),
        ("GABA_extracellular", UP, "dis_ka_gaba"),
    )
    # Rat cortex one day after vigabatrin: -60 percent; the loss was set with this row in view.
    t.add(
        t.arm(H, hours=24, vigabatrin=3.5),
        ("GAD67", DOWN, "vgb_rat_gad67", {"fold": quarter(-0.6)}),
        ("GABA", UP, "vcyc_vs_gaba"),
    )
    # Long treatment of patients, each dose half of a single one of 1 for 8 h, twice a day.
    t.add(
        t.arm("epilepsy_cortex", hours=720, vigabatrin=0.333),
        ("GABA", UP, "vgb_chronic"),
        ("GABA_extracellular", UP, "vgb_csf_free"),
    )
    # One dose in patients: 1.34 +- 0.13 after 2 h, 0.95 +- 0.07 before.
    mrs = {"fold": ratio((1.34, 0.13), (0.95, 0.07)), "shortfall": "too slow in the first hours"}
    t.add(t.arm(E, hours=2, vigabatrin=1), ("GABA", UP, "vgb_single_0,vgb_single_0p083", mrs))
    return t


def energy() -> Table:
    """ketone_katp."""
    t = Table("ketone_katp")
    diet = {"carb_restriction": 0.92, "fat_ratio": 4}
    # PCr/ATP of patients 0.69 +- 0.08 on the diet, 0.61 +- 0.08 before, in the same 7: the spread between patients says
    # nothing of the error of the change. An earlier version was set to the means.
    less = "with less glucose oxidised at rest (KK_P115) ketones spare less of it"
    reserve = {"fold": quarter(0.69 / 0.61 - 1), "shortfall": less}
    t.add(
        t.arm(H, hours=500, **diet),
        ("BHB_plasma", UP, "KK_P004", {"value": (1.1, 4.9)}),
        ("glucose_plasma", DOWN, "KK_R019", {"fold": quarter(-0.24)}),
        ("CMRglc", DOWN, "KK_R021,KK_R028", {"fold": (0.70, 0.80), "shortfall": less}),
        ("PCr_ATP", UP, "KK_R033,KK_R035", reserve),
        ("KATP_conductance", UP, "KK_R044"),
        ("NAD_NADH", UP, "KK_R039,KK_R040"),
        ("AMP_ATP", DOWN, "assumed"),
        ("MCT1", UP, "KK_R031"),
    )
    t.add(t.arm(E, hours=500, **diet), ("PCr_ATP", UP, "KK_R033", reserve))
    t.add(t.arm(H, hours=500, both={"A1R": 0}, **diet), ("KATP_conductance", SAME, "KK_R050"))
    t.add(
        t.arm(H, hours=500, barrier_permeability=0.5, **diet),
        ("BHB_brain", DOWN, "assumed"),
        over=t.arm(H, hours=500, **diet),
    )
    for alternative, sign, row in (
        ("submembrane", UP, "KK_R044"),
        ("direct", UP, "KK_R044"),
        ("bulk", DOWN, "KK_P097"),
    ):
        arm = t.arm(H, hours=500, hypotheses={"katp_opening": alternative}, **diet)
        t.add(arm, ("KATP_conductance", sign, f"hypothesis,{row}"))
    for alternative, sign, row in (("unchanged", SAME, "assumed"), ("down", DOWN, "KK_R042")):
        arm = t.arm(H, hours=500, hypotheses={"redox": alternative}, **diet)
        t.add(arm, ("NAD_NADH", sign, f"hypothesis,{row}"))
    late = "24-fold at 4 days (an adult 16-fold), from a fed rest of 0.1 mM"
    steep = {"carb_restriction": 0.93, "fat_ratio": 4.5}
    t.add(t.arm(H, hours=96, **steep), ("BHB_plasma", UP, "KK_R018", {"fold": quarter(+7.0), "shortfall": late}))
    mild = {"carb_restriction": 0.5, "fat_ratio": 1}
    t.add(t.arm(H, hours=500, **mild), ("BHB_plasma", UP, "assumed"))
    t.add(
        t.arm(H, hours=500, **mild),
        ("BHB_plasma", DOWN, "assumed", {"fold": (0.0, 1 / 3)}),
        over=t.arm(H, hours=500, **diet),
    )
    t.add(t.arm(H, hours=500, carb_restriction=0.92), ("BHB_plasma", UP, "assumed"), ("insulin", DOWN, "assumed"))
    t.add(t.arm(H, hours=500, fat_ratio=4), ("FFA", UP, "assumed"), ("BHB_plasma", UP, "assumed"))
    slow = "with the half-life of MCT1 in mouse cortex the barrier has hardly adapted: brain BHB 0.39 mM at 3 days"
    fast = "early fasting is too fast: 0.5 mM at 12 h"
    t.add(t.arm(H, hours=12, fasting=1), ("BHB_plasma", UP, "KK_P003", {"value": (0.1, 0.3), "shortfall": fast}))
    t.add(t.arm(H, hours=48, fasting=1), ("BHB_plasma", UP, "KK_P007", {"value": quarter_of(1.7)}))
    t.add(
        t.arm(H, hours=72, fasting=1),
        ("BHB_plasma", UP, "KK_P008", {"value": quarter_of(3.0)}),
        ("BHB_brain", UP, "KK_R007", {"value": (0.82, 1.14), "shortfall": slow}),
        ("lactate_brain", UP, "KK_R009", {"value": (1.25, 1.69), "shortfall": less}),
    )
    t.add(
        t.arm(H, hours=84, fasting=1),
        ("CMRglc", DOWN, "KK_R023", {"fold": quarter(-0.24), "shortfall": slow}),
    )
    t.add(
        t.arm(H, hours=500, mito_capacity=0.4),
        ("ATP_relative", ANY, "ampk_pgc1a:APG-R051", {"value": (0.95, 1.0)}),
        ("PCr_ATP", DOWN, "assumed"),
        ("lactate_brain", UP, "assumed"),
    )
    t.add(t.arm(H, hours=500, mito_capacity=2), ("PCr_ATP", UP, "KK_R037"))
    poor = {"glucose_transport": 0.5}
    t.add(
        t.arm(H, hours=500, **poor),
        ("K_e_relative", UP, "assumed"),
        ("CMRglc", DOWN, "assumed"),
        ("ATP_relative", DOWN, "assumed"),
        ("PCr_ATP", DOWN, "assumed"),
    )
    t.add(
        t.arm(H, hours=500, **poor, **diet),
        ("ATP_relative", UP, "assumed"),
        ("PCr_ATP", UP, "assumed"),
        over=t.arm(H, hours=500, **poor),
    )
    t.add(
        t.arm(H, hours=500, seizure_drive=1),
        ("PCr_ATP", DOWN, "KK_R043"),
        ("AMP_ATP", UP, "assumed"),
        ("CMRglc", UP, "assumed"),
        ("ATP_relative", DOWN, "assumed", {"value": (0.97, 1.0)}),
    )
    return t


def readout() -> Table:
    """excitability: weights are priors, so sizes hold the model to its description."""
    t = Table("excitability")
    w = {k: p.value for k, p in pm.load("excitability").quantities.items() if k.startswith(("weight_", "ratio_"))}
    w["weight_GLU"] = w["weight_GABA"] * w["ratio_excitation"]
    w["weight_K_extracellular"] = w["weight_GABA"] * w["ratio_potassium"]
    inputs = (
        *(("GABA", -1), ("GLU", 1), ("K_extracellular", 1), ("KATP", -1)),
        *(("ROS", 1), ("SEROTONIN", -1), ("PLCG", 1)),
    )
    for name, direction in inputs:
        sign = UP if direction > 0 else DOWN
        change = direction * w[f"weight_{name}"] * math.log(2)
        t.add(
            t.arm(E, hours=1, **{name: 2}),
            ("excitability_index", sign, "assumed,weights", exactly(change)),
            ("seizure_rate", sign, "assumed,weights"),
        )
    arm = t.arm(E, hours=1, hypotheses={"potassium_target": "all_cells"}, K_extracellular=2)
    t.add(arm, ("excitability_index", DOWN, "hypothesis,assumed"))
    # IL-1beta acts here on the slow inflammation only; on receptors it acts in other modules.
    t.add(t.arm(E, hours=1, IL1B=2), ("E_pathways", SAME, "assumed"))
    arm = t.arm(E, hours=168, hypotheses={"il1b_sign": "anticonvulsive"}, IL1B=2)
    t.add(arm, ("inflammation", DOWN, "hypothesis,nlrp3_il1b:r055"), ("seizure_rate", DOWN, "hypothesis,assumed"))
    t.add(t.arm(E, hours=1, EA_proconvulsant=0.1), ("excitability_index", UP, "clinical:C092", exactly(0.1)))
    # A relative index of -0.161 is the diet in naive animals:
    # i.v. PTZ threshold 15 to 20 percent up, 6 Hz current 50.6 (46.3-55.3) against 15.0 (14.0-16.1) mA.
    t.add(
        t.arm(E, hours=1, GABA=math.exp(0.161 / w["weight_GABA"])),
        ("threshold_PTZ", UP, "clinical:C099", {"fold": (1.15, 1.20)}),
        ("threshold_6Hz", UP, "clinical:C100", {"fold": ratio((50.6, 4.5), (15.0, 1.05))}),
        ("E_relative", DOWN, "clinical:C099", exactly(-0.161)),
    )
    # Adenosine alone, with the brain ketones and the plasma glucose of a 4:1 diet; C100 to C103, C110 and C111 set its
    # weight: no independent test.
    ketosis = {"BHB": 1.0, "glucose": 3.65}
    early = {"fold": (0.95, 1.05)}
    late = "a protein of 8 days has a third of its effect on day 5, and 7.54 logarithms of the 6 Hz test make it large"
    t.add(t.arm(H, hours=48, **ketosis), ("threshold_6Hz", ANY, "clinical:C101", early | {"shortfall": late}))
    t.add(t.arm(H, hours=120, **ketosis), ("threshold_PTZ", ANY, "clinical:C110", early | {"shortfall": late}))
    t.add(t.arm(H, hours=120, **ketosis), ("threshold_6Hz", ANY, "clinical:C102", early | {"shortfall": late}))
    t.add(t.arm(H, hours=240, **ketosis), ("threshold_PTZ", UP, "clinical:C110"))
    t.add(t.arm(H, hours=288, **ketosis), ("threshold_6Hz", UP, "clinical:C100"))
    t.add(t.arm(H, hours=384, **ketosis), ("threshold_6Hz", UP, "clinical:C103"))
    t.add(t.arm(H, hours=480, **ketosis), ("threshold_PTZ", UP, "clinical:C111"))
    lost = {"shortfall": "the lost effect at day 21 is not in the module"}
    t.add(t.arm(H, hours=504, **ketosis), ("threshold_6Hz", SAME, "clinical:C104", lost))
    arm = t.arm(H, hours=480, hypotheses={"adenosine": "none"}, **ketosis)
    t.add(arm, ("threshold_6Hz", SAME, "hypothesis,clinical:C104"))
    germ_free = t.arm(H, hours=480, hypotheses={"gut_gate": "on"}, both={"GUT_GATE": 0}, **ketosis)
    t.add(germ_free, ("threshold_6Hz", SAME, "hypothesis,gut_brain:gr15"))
    t.add(t.arm(H, hours=480, both={"GUT_GATE": 0}, **ketosis), ("threshold_6Hz", UP, "gut_brain:gr26"))
    t.add(
        t.arm(E, hours=672, **ketosis),
        ("ADK", DOWN, "clinical:C125"),
        ("adenosine", UP, "clinical:C132"),
        ("A1_activation", UP, "clinical:C137"),
        ("methylation", DOWN, "clinical:C133"),
        ("seizure_rate", DOWN, "clinical:C137"),
        ("interictal", DOWN, "assumed"),
    )
    t.add(t.arm(E, hours=672, both={"A1R": 0}, **ketosis), ("E_A1", SAME, "clinical:C139"))
    t.add(t.arm(H, hours=1, A1R=0), ("threshold_PTZ", DOWN, "clinical:C126"))
    t.add(t.arm(E, hours=1, both=ketosis, glucose=15), ("seizure_rate", UP, "clinical:C127"))
    arm = t.arm(E, hours=2016, hypotheses={"memory": "none"}, **ketosis)
    t.add(arm, ("methylation", DOWN, "hypothesis,clinical:C133"))
    t.add(t.arm(E, SPROUTING=0.42), ("remodelling", DOWN, "mtor_autophagy:MTA_R087"))
    # Provoked seizures in health: every stage of the circle moves; what other modules feel saturates at 2.
    t.add(
        t.arm(H, hours=24, acute_seizures=3),
        ("burden", UP, "assumed", {"value": (1.1, 1.3)}),
        ("inflammation", UP, "clinical:C122"),
        ("barrier_leak", UP, "assumed"),
        ("neuronal_loss", UP, "assumed"),
        ("seizure_activity", UP, "assumed", {"value": (3.9, 4.1)}),
    )
    t.add(t.arm(H, hours=240, acute_seizures=3), ("seizure_rate", UP, "clinical:C120"), ("remodelling", UP, "assumed"))
    # An imposed rate acts where the loop is open, and nowhere else.
    t.add(t.arm(E, seizure_drive=3), (EVERYTHING, SAME, "assumed"))
    arm = t.arm(E, hypotheses={"feedback": "open"}, seizure_drive=3)
    t.add(arm, ("burden", UP, "hypothesis,assumed", {"value": (2.99, 3.01)}), ("inflammation", UP, "assumed"))
    t.add(
        t.arm(E, IL1B=0.5),
        ("inflammation", DOWN, "assumed"),
        ("remodelling", DOWN, "assumed"),
        ("seizure_rate", DOWN, "nlrp3_il1b:r050,nlrp3_il1b:r052"),
    )
    return t


def gut() -> Table:
    """gut_brain: the diet is 0.92 of carbohydrate withheld and the plasma ketones of a 4:1 diet."""
    t = Table("gut_brain")
    diet = {"carb_restriction": 0.92, "BHB": 3.65}
    # Children, one month: -55, -64 and -20 percent. The model was set to them: no independent test.
    t.add(
        t.arm(E, hours=720, **diet),
        ("SCFA_total", DOWN, "gr01", {"fold": quarter(-0.55)}),
        ("acetate", DOWN, "gr02", {"fold": quarter(-0.64)}),
        ("propionate", DOWN, "gr43", {"fold": quarter(-0.33)}),
        ("butyrate", DOWN, "gr04", {"fold": quarter(-0.20)}),
        ("bacteroidales", UP, "gr11,gr51"),
        ("enterobacteriaceae", DOWN, "gr10,gr50"),
        ("cortisol", UP, "gr58,gr59"),
        ("TNF", ANY, "assumed", {"fold": (0.95, 1.05)}),
    )
    t.add(t.arm(H, hours=4320, hypotheses={"scfa_response": "up"}, **diet), ("SCFA_total", UP, "hypothesis,gr05"))
    t.add(t.arm(H, hours=2160, **diet), ("fibre_degraders", DOWN, "gr07"))
    arm = t.arm(H, hours=168, hypotheses={"bifidobacteria": "rises"}, **diet)
    t.add(arm, ("fibre_degraders", UP, "hypothesis,gr11"))
    t.add(t.arm(H, hours=720, BHB=5), ("fibre_degraders", DOWN, "gr23"))
    arm = t.arm(H, hours=720, hypotheses={"bifidobacteria": "starved"}, BHB=5)
    t.add(arm, ("fibre_degraders", SAME, "hypothesis,assumed"))
    t.add(
        t.arm(H, hours=336, **diet),
        ("mucin_guild", UP, "gr24"),
        ("gamma_glutamyl", DOWN, "gr17"),
        ("GABA_GLU_signal", UP, "gr16"),
    )
    t.add(
        t.arm(H, hours=336, hypotheses={"akkermansia": "down"}, **diet),
        ("mucin_guild", DOWN, "hypothesis,gr22"),
        ("GABA_GLU_signal", DOWN, "hypothesis,assumed"),
    )
    t.add(t.arm(H, hours=336, both={"antibiotics": 1}, **diet), ("GABA_GLU_signal", SAME, "gr15"))
    t.add(t.arm(H, hours=336, both=diet, antibiotics=1), ("GABA_GLU_signal", DOWN, "gr27"))
    arm = t.arm(H, hours=336, hypotheses={"antibiotic_effect": "adds"}, both=diet, antibiotics=1)
    t.add(arm, ("GABA_GLU_signal", UP, "hypothesis,gr26"))
    t.add(t.arm(E, hours=336, both=diet, fibre=0.5), ("butyrate_propionate_ratio", UP, "gr25"))
    t.add(
        t.arm(E, hours=0.1),
        ("bacteroidales", DOWN, "gr44"),
        ("fibre_degraders", UP, "gr45"),
        ("enterobacteriaceae", UP, "gr46,gr47"),
        over=t.arm(H, hours=0.1),
    )
    # What the review states without a size: off, and of the stated sign where it is switched on.
    off = ("barrier_permeability", "gut_glutamate_drive", "gut_blood_flow", "gut_macrophages")
    t.add(t.arm(H, hours=336, **diet), *((x, SAME, "assumed") for x in off))
    arm = t.arm(H, hours=336, hypotheses={"acetate_barrier": "tightens"}, antibiotics=1)
    t.add(arm, ("barrier_permeability", UP, "hypothesis,gr63"))
    arm = t.arm(H, hours=336, hypotheses={"amino_acid_supply": "both_pools"}, transplant=1)
    t.add(arm, ("gut_glutamate_drive", DOWN, "hypothesis,assumed"))
    t.add(t.arm(H, hours=336, **diet), ("gut_gate", UP, "gr15,gr17"))
    t.add(t.arm(H, hours=720, antibiotics=1, **diet), ("gut_gate", DOWN, "gr15", {"value": (-1e-6, 1e-6)}))
    t.add(t.arm(H, hours=720, antibiotics=1), ("TPH1_drive", DOWN, "gr42", {"fold": (0.47, 0.50)}))
    none = {"value": (-1e-6, 0.01)}
    t.add(
        t.arm(H, hours=720, antibiotics=1),
        ("SCFA_total", DOWN, "assumed", none),
        ("bacteria_total", DOWN, "assumed", none),
    )
    t.add(t.arm(H, hours=336, transplant=1), ("GABA_GLU_signal", UP, "gr18,gr19"))
    t.add(t.arm(H, hours=336, both=diet, fibre=0.5), ("SCFA_total", UP, "gr25"), ("GABA_GLU_signal", UP, "gr20"))
    for route, sign, row in (("butyrate", UP, "gr20"), ("none", SAME, "assumed")):
        arm = t.arm(H, hours=336, hypotheses={"fibre_route": route}, both=diet, fibre=0.5)
        t.add(arm, ("GABA_GLU_signal", sign, f"hypothesis,{row}"))
    t.add(
        t.arm(H, hours=168, vagal_stimulation=1),
        ("dopamine", UP, "gr34"),
        ("transit_relative", DOWN, "gr52", {"fold": quarter(-0.14)}),
        ("SCFA_total", DOWN, "assumed"),
        ("cortisol", SAME, "assumed"),
        ("gut_macrophages", SAME, "gr55"),
    )
    arm = t.arm(H, hours=168, hypotheses={"ea_transit": "none"}, vagal_stimulation=1)
    t.add(arm, ("SCFA_total", SAME, "hypothesis,assumed"))
    t.add(t.arm(H, hours=24, both={"vagotomy": 1}, vagal_stimulation=1), ("transit_relative", SAME, "gr54"))
    t.add(t.arm(H, both={"stress": 1}, vagal_stimulation=1), ("cortisol", DOWN, "gr61"))
    arm = t.arm(H, hypotheses={"ea_microbiota": "bacteroidales"}, vagal_stimulation=1)
    t.add(arm, ("bacteroidales", UP, "hypothesis,gr38"))
    sepsis = {"endotoxin": 5}
    t.add(t.arm(H, hours=2, both=sepsis, vagal_stimulation=1), ("TNF", DOWN, "gr32"))
    for cut in ("vagotomy", "catecholamine_block"):
        t.add(t.arm(H, hours=2, both={**sepsis, cut: 1}, vagal_stimulation=1), ("TNF", SAME, "gr33"))
    t.add(t.arm(H, hours=168, endotoxin=1), ("TNF", UP, "assumed", {"value": (1.98, 2.02)}))
    return t


def monoamines() -> Table:
    """serotonin: ketones of a 4:1 diet are 3.6 mM; rows with two values give the range of three visits."""
    t = Table("serotonin")
    ketones = {"BHB": 3.6}
    t.add(
        t.arm(H, **ketones),
        ("tryptophan_relative", DOWN, "sr03a,sr03b", {"fold": (0.75, 0.82)}),
        ("KYN_relative", DOWN, "sr04a,sr04b", {"fold": (0.43, 0.70)}),
        ("KYNA_blood_relative", UP, "sr05a,sr05b", {"fold": (1.38, 1.96)}),
        ("KYNA_relative", UP, "sr07,sr08", {"fold": (3.56, 4.63)}),
        ("HT5_extracellular", DOWN, "assumed"),
    )
    t.add(
        t.arm(H, **ketones),
        ("KYNA_cortex", ANY, "sr42", {"fold": (0.95, 1.05)}),
        ("KYNA_network", UP, "assumed"),
        ("release_brake", SAME, "assumed"),
        ("HT5_blood_relative", DOWN, "assumed"),
    )
    arm = t.arm(H, hypotheses={"heteroreceptor": "brakes"}, EA_drive=1)
    t.add(arm, ("release_brake", DOWN, "hypothesis,sr39"))
    t.add(t.arm(H, TPH1_drive=0.486), ("HT5_blood_relative", DOWN, "sr36"))
    t.add(t.arm(H, bacteria=0), ("HT5_tissue", SAME, "assumed"))
    t.add(t.arm(H, hypotheses={"bacteria_tryptophan": "uses"}, bacteria=0), ("HT5_tissue", UP, "hypothesis,sr35"))
    for reading, sign, row in (("raises", UP, "sr37"), ("lowers", DOWN, "sr38"), ("none", SAME, "assumed")):
        arm = t.arm(H, hypotheses={"ea_blood_5ht": reading}, EA_drive=1)
        t.add(arm, ("HT5_blood_relative", sign, f"hypothesis,{row}"))
    t.add(t.arm(E, **ketones), ("HIAA_relative", DOWN, "sr01"))
    arm = t.arm(H, hypotheses={"kd_direction": "none"}, **ketones)
    t.add(arm, ("HT5_tissue", ANY, "hypothesis,sr09", {"fold": (0.99, 1.01)}))
    t.add(
        t.arm(H, hypotheses={"kd_direction": "slower_turnover"}, **ketones),
        ("HT5_extracellular", ANY, "hypothesis,assumed", {"fold": (0.97, 1.03)}),
        ("HIAA_relative", DOWN, "hypothesis,sr01"),
    )
    arm = t.arm(H, hypotheses={"kat_effect": "blood_size"}, **ketones)
    t.add(arm, ("KYNA_relative", UP, "hypothesis,sr05a,sr05b", {"fold": (1.38, 1.96)}))
    arm = t.arm(H, hypotheses={"kat_effect": "cortex"}, **ketones)
    t.add(arm, ("KYNA_relative", ANY, "hypothesis,sr08", {"fold": (0.95, 1.05)}))
    needles_on = {"EA_drive": 1}
    t.add(
        t.arm(H, hours=672, **needles_on),
        ("HT5_tissue", UP, "sr10,sr16"),
        ("HTR1A", UP, "sr12"),
        ("SERT_surface", SAME, "sr13"),
    )
    t.add(
        t.arm(H, hours=672, hypotheses={"ea_sert": "down"}, **needles_on),
        ("SERT_surface", DOWN, "hypothesis,sr14"),
        ("HT5_tissue", UP, "hypothesis,sr14"),
    )
    t.add(t.arm(H, **needles_on), ("serotonin_tone", UP, "assumed"))
    # Diet and needles oppose each other: between the diet alone and needles alone.
    t.add(t.arm(H, **ketones, **needles_on), ("HT5_extracellular", UP, "assumed"), ("KYNA_relative", UP, "assumed"))
    t.add(t.arm(H, **ketones, **needles_on), ("HT5_extracellular", UP, "assumed"), over=t.arm(H, **ketones))
    t.add(t.arm(H, **ketones, **needles_on), ("HT5_extracellular", DOWN, "assumed"), over=t.arm(H, **needles_on))
    # The peak; with a constant level it comes within minutes.
    t.add(t.arm(H, hours=0.1, SSRI=0.0215), ("HT5_extracellular", UP, "sr21", {"fold": quarter(+0.70)}))
    arm = t.arm(H, hours=2.4, hypotheses={"ssri_internalisation": "off"}, SSRI=0.0215)
    t.add(arm, ("HT5_extracellular", UP, "hypothesis,sp13"))
    t.add(t.arm(H, IL1B=12), ("KYN_relative", UP, "assumed"), ("tryptophan_relative", DOWN, "assumed"))
    t.add(t.arm(H, tryptophan_intake=0.5), ("HT5_extracellular", DOWN, "assumed"))
    t.add(t.arm(H, hours=1, raphe_firing=2), ("HIAA_relative", UP, "assumed"))
    t.add(
        t.arm(H, hours=1.2, hypotheses={"epilepsy_5ht": "release"}, seizure_drive=3),
        ("HIAA_relative", UP, "hypothesis,sr30"),
        ("HT5_tissue", DOWN, "hypothesis,sr30"),
    )
    t.add(t.arm(H, seizure_drive=1), ("HT5_extracellular", SAME, "assumed"))
    arm = t.arm(H, hypotheses={"epilepsy_5ht": "low_synthesis"}, seizure_drive=1)
    t.add(arm, ("HT5_tissue", DOWN, "hypothesis,sr31"))
    return t


def neurotrophin() -> Table:
    """bdnf_trkb."""
    t = Table("bdnf_trkb")
    t.add(t.arm(H, hours=16.8, BHB=5), ("mRNA", UP, "br05"))
    t.add(t.arm(H, hours=3, BHB=0.8), ("mRNA", UP, "br06"))
    t.add(t.arm(H, hours=3, hypotheses={"bhb_bdnf": "none"}, BHB=0.8), ("mRNA", SAME, "hypothesis,br12"))
    t.add(t.arm(H, hours=48, hypotheses={"bhb_bdnf": "camkii_creb"}, BHB=0.8), ("pCREB", UP, "hypothesis,br10"))
    t.add(t.arm(E, hypotheses={"bhb_bdnf": "nfkb"}, BHB=0.0434, NFKB=0.3), ("mBDNF", DOWN, "hypothesis,br09"))
    # One kindled seizure, 1 h after it: four- to five-fold. The model was set to it.
    t.add(t.arm(H, hours=1, seizure_drive=19), ("mRNA", UP, "br19", {"fold": (4.0, 5.0)}))
    t.add(
        t.arm(H, seizure_drive=1),
        ("mRNA", UP, "br34"),
        ("mBDNF", UP, "br20"),
        ("PLCG", UP, "br26"),
        ("KCC2_drive", DOWN, "br31"),
        ("KCC2_drive_relative", ANY, "assumed", {"fold": (0.99, 1.01)}),
    )
    t.add(t.arm(H, hours=12, seizure_drive=1), ("TRKB_truncated", UP, "br22"))
    t.add(t.arm(H, hours=336, both={"TRKB_gene": 0}, seizure_drive=1), ("PLCG", SAME, "br26"))
    t.add(t.arm(H, hours=336, both={"BDNF_gene": 0}, seizure_drive=1), ("PLCG", UP, "br27"))
    only = {"trkb_activation": "BDNF_only"}
    arm = t.arm(H, hours=336, hypotheses=only, both={"BDNF_gene": 0}, seizure_drive=1)
    t.add(arm, ("PLCG", SAME, "hypothesis,br27"))
    t.add(t.arm(E, hours=336, TRKB_inhibitor=9), ("PLCG", DOWN, "br28"))
    kept = {"fold": (0.95, 1.05)}
    t.add(t.arm(E, hours=336, pY816_peptide=9), ("PLCG", DOWN, "br29"), ("TRKB_signal", ANY, "br29", kept))
    t.add(t.arm(H, hours=336, EA_drive=1), ("pCREB", UP, "br16"), ("mBDNF", UP, "br14"))
    t.add(t.arm(E, hours=336, EA_drive=1), ("TRKB_signal", UP, "assumed"))
    t.add(t.arm(E, hours=336, hypotheses={"ea_bdnf": "set_point"}, EA_drive=1), ("mBDNF", DOWN, "hypothesis,assumed"))
    t.add(t.arm(H, serotonin=0.5), ("mBDNF", DOWN, "assumed"))
    t.add(t.arm(H, NFKB=0.5), ("mRNA", DOWN, "assumed"))
    t.add(t.arm(H, hours=1, BDNF_added=1), ("pERK", UP, "br03_4", {"fold": (3.2, 4.8)}))
    t.add(t.arm(H, hours=2.5, BDNF_added=3), ("TRKB_surface", DOWN, "bp29", {"fold": (0.4, 0.55)}))
    t.add(t.arm(H, hours=24, BDNF_added=2), ("KCC2_drive", DOWN, "br30"), ("KCC2_drive_relative", DOWN, "br30"))
    t.add(t.arm(E, hours=336, TRKB_inhibitor=9), ("KCC2_drive_relative", UP, "br30"), ("cognition", DOWN, "br39"))
    t.add(t.arm(H, hours=336, EA_drive=1), ("TRKB", UP, "br15,br17"), ("cognition", UP, "br40,br43"))
    t.add(t.arm(H, hours=168, seizure_drive=1), ("TRKB", SAME, "br22"), ("cognition", DOWN, "assumed"))
    arm = t.arm(E, hours=168, hypotheses={"ea_bdnf": "lowers"}, EA_drive=1)
    t.add(arm, ("mBDNF", DOWN, "hypothesis,br36"), ("TRKB", DOWN, "hypothesis,br37"))
    t.add(t.arm(H, hours=168, butyrate=100), ("mBDNF", SAME, "assumed"))
    arm = t.arm(H, hours=168, hypotheses={"butyrate_bdnf": "hdac"}, butyrate=100)
    t.add(arm, ("mBDNF", UP, "hypothesis,br41"), ("repair", UP, "hypothesis,br42"))
    t.add(t.arm(H, hours=48, BDNF_added=2), ("PGC1A_drive", SAME, "assumed"))
    arm = t.arm(H, hours=48, hypotheses={"bdnf_pgc1a": "erk_creb"}, BDNF_added=2)
    t.add(arm, ("PGC1A_drive", UP, "hypothesis,ampk_pgc1a:APG-R048"))
    arm = t.arm(H, hours=24, hypotheses={"kcc2_injury": "raises"}, both={"injured_tissue": 1}, BDNF_added=2)
    t.add(arm, ("KCC2_drive", UP, "hypothesis,br32"))
    t.add(t.arm(H, hours=336, BDNF_added=2), ("PLCG", UP, "br24"))
    strong = {"receptor_loss": "strong"}
    arm = t.arm(H, hours=168, hypotheses=strong, BDNF_added=2, seizure_drive=1)
    t.add(arm, ("PLCG", DOWN, "hypothesis,br25"))
    return t


def adverse() -> Table:
    """safety: most rows set a constant; the sizes hold the model to them and to its own notes."""
    t = Table("safety")
    ketosis, fat, diet = {"BHB": 3.6}, {"fat_ratio": 4}, {"fat_ratio": 4, "carb_restriction": 0.92}

    def value(low: float, high: float) -> dict[str, Range]:
        return {"value": (low, high)}

    t.add(t.arm(E, hours=96, **ketosis), ("HCO3", DOWN, "clinical:C065", value(14.0, 15.0)))
    t.add(t.arm(E, hours=120, **ketosis, citrate=1), ("HCO3", DOWN, "clinical:C066", value(19.5, 20.3)))
    arm = t.arm(E, hours=2000, hypotheses={"acidosis_course": "sustained"}, **ketosis)
    t.add(arm, ("HCO3", DOWN, "hypothesis,clinical:C065", value(13.9, 14.1)))
    arm = t.arm(E, hours=4320, hypotheses={"acidosis_course": "strong"}, **ketosis)
    t.add(arm, ("HCO3", DOWN, "hypothesis,clinical:C067", value(20.8, 21.2)))
    t.add(
        t.arm(E, hours=4320, **ketosis),
        ("HCO3", DOWN, "assumed"),
        ("alarm_acidosis", UP, "assumed", value(0.10, 0.20)),
    )
    t.add(t.arm(E, hours=1000, topiramate=1), ("HCO3", DOWN, "clinical:C067", {"fold": (0.88, 0.91)}))
    t.add(t.arm(E, hours=1000, citrate=1), ("HCO3", SAME, "assumed"))
    t.add(
        t.arm(E, hours=1000, topiramate=1, valproate=1, sessions=1, **diet),
        ("stone_risk", SAME, "assumed"),
    )
    t.add(
        t.arm(E, hours=1440, **diet),
        ("Mg", DOWN, "clinical:C165"),
        ("alarm_hypomagnesaemia", UP, "clinical:C165", value(0.045, 0.055)),
        ("infection_risk", UP, "clinical:C073"),
        ("platelet_count", SAME, "clinical:C072"),
        ("other_electrolytes", SAME, "clinical:C174"),
        ("ammonia", SAME, "assumed"),
    )
    for hypothesis, alternative, name, sign, row in (
        ("thrombocytosis", "rises", "platelet_count", UP, "assumed"),
        ("electrolytes", "all", "other_electrolytes", DOWN, "clinical:C173"),
        ("kd_ammonia", "rises", "ammonia", UP, "assumed"),
        ("electrolytes_needling", "adds", "needle_faint_probability", UP, "assumed"),
    ):
        arm = t.arm(E, hours=1440, hypotheses={hypothesis: alternative}, **diet)
        t.add(arm, (name, sign, f"hypothesis,{row}"))
    drug = {"valproate": 1.0}
    t.add(
        t.arm(E, hours=2160, both=drug, **diet),
        ("valproate_level", DOWN, "clinical:C168", {"fold": (0.74, 0.78)}),
        ("ASM_loss", SAME, "assumed"),
    )
    arm = t.arm(E, hours=2160, hypotheses={"diet_valproate": "unchanged"}, both=drug, **diet)
    t.add(arm, ("valproate_level", SAME, "hypothesis,clinical:C169"))
    arm = t.arm(E, hours=2160, hypotheses={"asm_fluctuation": "proportional"}, both=drug, **diet)
    t.add(arm, ("ASM_loss", UP, "hypothesis,assumed"))
    t.add(t.arm(E, hours=1000, **ketosis), ("QT_prolonged", UP, "clinical:C167", value(0.14, 0.16)))
    t.add(t.arm(E, hours=1344, sessions=1), ("faint_risk", UP, "clinical:P096", value(0.0074, 0.0077)))
    t.add(t.arm(E, hours=8736, sessions=1), ("needle_injury_risk", UP, "clinical:P097", value(2.0e-3, 2.2e-3)))
    above = "0.83 above 200 mg/dL; the 0.60 of another cohort has formula-fed children, who rise less"
    t.add(
        t.arm(E, hours=4320, **diet),
        ("LDL_change", UP, "clinical:C062", value(1.29, 1.31)),
        ("cholesterol_change", UP, "clinical:C061", value(1.4, 1.7)),
        ("alarm_hypercholesterolaemia", UP, "clinical:C064", {"value": quarter_of(0.60), "shortfall": above}),
        ("triglycerides", UP, "assumed"),
    )
    t.add(t.arm(E, hours=17_280, **diet), ("LDL_change", UP, "assumed", value(0.9, 1.1)))
    t.add(t.arm(E, hours=4320, carb_restriction=0.92), ("triglycerides", DOWN, "assumed"))
    t.add(t.arm(E, hours=24, valproate=1), ("ammonia", UP, "assumed"))
    t.add(t.arm(E, hours=24, carnitine=1), ("ammonia", SAME, "assumed"))
    meal = {"protein_meal": 1.0}
    for both, size in (({"valproate": 1.0}, 1.86), ({"valproate": 1.0, "carnitine": 1.0}, 1.38)):
        arm = t.arm(E, hours=2, doses=meal, both=both)
        t.add(arm, ("ammonia", UP, "clinical:C076", {"fold": (size - 0.01, size + 0.01)}))
    follow_up = 32_434
    t.add(t.arm(E, hours=follow_up, **ketosis), ("stone_risk", UP, "clinical:C069", value(0.046, 0.076)))
    t.add(t.arm(E, hours=follow_up, **ketosis, citrate=1), ("stone_risk", UP, "clinical:C070", value(0.010, 0.012)))
    t.add(t.arm(E, hours=8760, **fat), ("complication_risk", UP, "clinical:C075", value(0.170, 0.172)))
    t.add(
        t.arm(E, hours=4320, **fat),
        ("bruising_risk", UP, "clinical:C071", value(0.310, 0.318)),
        ("platelet_function", DOWN, "clinical:C071"),
    )
    arm = t.arm(E, hours=4320, hypotheses={"platelets": "unchanged"}, **fat)
    t.add(arm, ("platelet_function", SAME, "hypothesis,clinical:C072"))
    t.add(t.arm(E, hours=1344, sessions=1), ("bruising_risk", UP, "assumed"))
    t.add(t.arm(E, hours=4320, sessions=1, **fat), ("bruising_risk", UP, "assumed"))
    arm = t.arm(E, hours=4320, hypotheses={"needling_on_diet": "separate"}, sessions=1, **fat)
    t.add(arm, ("bruising_risk", UP, "hypothesis,assumed"))
    t.add(t.arm(E, hours=1, glucose=2.4), ("alarm_hypoglycaemia", UP, "clinical:P079", value(0.5, 0.6)))
    t.add(t.arm(E, hours=1, BHB=6.5), ("alarm_hyperketosis", UP, "clinical:P078", value(0.49, 0.51)))
    return t


EFFECTS = [
    *inflammation(),
    *autophagy(),
    *mitochondria(),
    *inhibition(),
    *energy(),
    *readout(),
    *gut(),
    *monoamines(),
    *neurotrophin(),
    *adverse(),
]


def observed(effect: Effect) -> Iterator[tuple[str, float, float]]:
    """(name, with, without) of what the effect looks at."""
    treated, reference = final(effect.arm), final(effect.reference)
    names = treated if effect.observable == EVERYTHING else [effect.observable]
    return ((name, treated[name], reference[name]) for name in names)


def case(effect: Effect) -> Any:
    """The effect as a parameter of a test, expected to fail where the notes of the model say that it does."""
    marks = [pytest.mark.xfail(strict=True, raises=AssertionError, reason=effect.shortfall)] if effect.shortfall else []
    return pytest.param(effect, id=effect.id, marks=marks)


@pytest.mark.parametrize("effect", [case(e) for e in EFFECTS])
def test_effect(effect: Effect) -> None:
    for name, treated, reference in observed(effect):
        scale = abs(reference) or 1.0
        change = (treated - reference) / scale
        if effect.sign == SAME:
            assert abs(change) < UNCHANGED, f"{name}: {reference:g} -> {treated:g}"
        elif effect.sign is not ANY:
            assert effect.sign * change > MARGIN, f"{name}: {reference:g} -> {treated:g}"
        for size, seen in (
            (effect.fold, treated / scale),
            (effect.value, treated),
            (effect.change, treated - reference),
        ):
            if size is not None:
                assert size[0] <= seen <= size[1], f"{name}: {seen:g}, expected {size[0]:g} to {size[1]:g}"


# ---- courses: what an arm with constant inputs cannot show ----

DRIVES = ("vagal_drive", "EA_AMPK", "EA_GAD67", "EA_AKT")
WEEK = 168.0
COURSE = pm.Electroacupuncture(sessions_per_week=5, weeks=8)


def needles(treatment: pm.Treatment, *, weeks: float, every: float = 1.0, **hypotheses: str) -> xr.Dataset:
    """A run of the stimulus module."""
    model = pm.load("acupuncture")
    for hypothesis, alternative in hypotheses.items():
        model = model.with_hypothesis(hypothesis, alternative)
    return model.simulate([treatment], weeks=weeks, every=every)


def window(run: xr.Dataset, name: str, start: float, stop: float) -> float:
    """Mean of a variable over weeks `start` to `stop`."""
    return float(run[name].sel(time=slice(start * WEEK, stop * WEEK)).mean())


@pytest.fixture(scope="module")
def course() -> xr.Dataset:
    return needles(COURSE, weeks=8)


@pytest.fixture(scope="module")
def one_session() -> xr.Dataset:
    return needles(pm.Dose(input="session", amount=1.0, times=(0.0,)), weeks=2 / 7, every=0.05)


@pytest.mark.parametrize("drive", DRIVES)
def test_a_course_of_needles_drives_its_targets(course: xr.Dataset, drive: str) -> None:
    assert window(course, drive, 7, 8) > 0.01
    assert float(course["EA_proconvulsant"].max()) == 0.0


def test_one_session_acts_after_an_hour_or_two(one_session: xr.Dataset) -> None:
    """clinical:C091, clinical:P090: nothing in the first hour, an effect from 1 to 1.5 h after the session."""
    trace = one_session["fast_trace"]
    peak = float(trace.max())
    assert 2.0 <= float(trace.idxmax()) <= 6.0
    assert float(trace.sel(time=0.5, method="nearest")) < 0.25 * peak
    assert float(trace.sel(time=1.5, method="nearest")) > 0.5 * peak


@pytest.mark.xfail(strict=True, raises=AssertionError, reason="the lag is smooth: half of the peak is there after 1 h")
def test_one_session_does_nothing_in_the_first_hour(one_session: xr.Dataset) -> None:
    """clinical:C091."""
    trace = one_session["fast_trace"]
    assert float(trace.sel(time=1.0, method="nearest")) < 0.25 * float(trace.max())


def test_stimulation_builds_up_over_two_to_four_months() -> None:
    """clinical:C087 to C089: -32, -54 and -54 percent seizures in weeks 0-8, 8-16 and 16-24."""
    run = needles(pm.Electroacupuncture(sessions_per_week=5, weeks=24), weeks=24)
    first, second, third = (window(run, "plastic_trace", w, w + 8) for w in (0, 8, 16))
    assert first < 0.8 * second
    assert third == pytest.approx(second, rel=0.1)


def test_traces_are_scaled_to_five_evenly_spaced_sessions_per_week() -> None:
    times = tuple(i * WEEK / 5 for i in range(5 * 60))
    run = needles(pm.Dose(input="session", amount=1.0, times=times), weeks=60)
    for name in ("fast_trace", "plastic_trace"):
        assert window(run, name, 58, 60) == pytest.approx(1.0, rel=0.01)


SHAM = pm.treatments.ShamAcupuncture(sessions_per_week=5, weeks=8)


def test_sham_does_nothing_unless_said() -> None:
    """clinical:C096: needles without current did nothing; clinical:C086: control stimulation, 0.22 of the drives."""
    needled = needles(COURSE, weeks=8)
    for reading, share in (("none", 0.0), ("weak", 0.22), ("as_needles", 1.0)):
        run = needles(SHAM, weeks=8, sham=reading)
        for name in DRIVES:
            assert float(run[name][-1]) == pytest.approx(share * float(needled[name][-1]), rel=1e-3, abs=1e-12)


def test_no_efficacy_is_exactly_no_drive() -> None:
    """clinical:C079 to C083: needles did not differ from sham or from the drug alone."""
    run = needles(COURSE, weeks=8, efficacy="null")
    for name in (*DRIVES, "EA_proconvulsant"):
        assert float(abs(run[name]).max()) == 0.0


def test_high_frequency_harms_and_does_not_help() -> None:
    """clinical:C092: 100 Hz prolongs epileptiform activity."""
    run = needles(replace(COURSE, frequency_hz=100), weeks=8)
    for name in DRIVES:
        assert float(abs(run[name]).max()) == 0.0
    assert float(run["EA_proconvulsant"].max()) > 0.01


def test_a_ketone_ester_peaks_within_two_hours() -> None:
    """ketone_katp:KK_R013, KK_P015: 714 mg/kg as a meal replacement give 3.30 mM BHB at 1 to 2 h, in adults."""
    dose = pm.treatments.KetoneEster(mg_per_kg=714, meal=1)
    run = pm.load("ketone_katp", context=H).simulate([dose], duration=24, every=0.05)
    ketones, acids = run["BHB_plasma"], run["FFA"]
    low, high = quarter_of(3.30)
    assert low < float(ketones.max()) < high
    assert 1.0 <= float(ketones.idxmax()) <= 2.0
    assert float(acids.min()) < (1 - MARGIN) * float(acids[0])
