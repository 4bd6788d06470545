"""Does the conclusion survive somebody else's inflammation model in the place of ours?

A small model in the style of a paper's supplement (four equations, names of its own) takes the place of the module
`nlrp3_il1b` in the coupled model; both then run the same diet. Run: python analyses/swap_module.py
"""

import tempfile
from pathlib import Path

import pandas as pd

import pathway_models as pm

# One cytokine, one switch, one microglial state; hours, mmol/L. Written for this example, not from a publication.
THEIRS = """
model cytokine_switch()
  unit time_unit = 3600 second; unit substance = 1e-3 mole; unit extent = 1e-3 mole; unit volume = litre
  unit mM = 1e-3 mole/litre
  insult = 0 dimensionless; ketone = 0.0074 mM; vagus = 0 dimensionless
  scavenging = 1 dimensionless; oxidants = 1 dimensionless; clearance = 1 dimensionless; blood = 0 dimensionless
  const kd_ketone = 2 mM; const w_insult = 1.5 dimensionless; const w_vagus = 0.5 dimensionless
  const tau_glia = 24 time_unit; const tau_cytokine = 6 time_unit; const n = 2 dimensionless
  const K = 2 dimensionless
  brake := (1 dimensionless + 0.0074 mM/kd_ketone)/(1 dimensionless + ketone/kd_ketone); brake has dimensionless
  danger has dimensionless; switched has dimensionless
  danger := (1 dimensionless + w_insult*insult + blood)*oxidants/(scavenging*(1 dimensionless + w_vagus*vagus))
  glia = 1 dimensionless; glia' = (danger - glia)/tau_glia
  switched := (1 dimensionless + K^n)*glia^n/(K^n + glia^n)
  il1 = 1 dimensionless; il1' = (brake*switched/clearance - il1)/tau_cytokine
  felt := il1; felt has dimensionless  // no antagonist here: the receptor sees all of it
  // excess is a smooth max(felt - 1, 0); it opens NMDA receptors by at most 45 percent and leaves GABA-A alone
  const width = 0.1 dimensionless; const rise = 0.45 dimensionless; const half = 2 dimensionless
  offset := felt - 1 dimensionless; offset has dimensionless
  excess := (offset + sqrt(offset^2 + width^2) - width)/2 dimensionless; excess has dimensionless
  calcium := 1 dimensionless + rise*excess/(excess + half); calcium has dimensionless
  inhibition := 1 dimensionless; inhibition has dimensionless
end
"""
PORTS = {
    "seizure_drive": "insult",
    "BHB": "ketone",
    "vagal_drive": "vagus",
    "antioxidant": "scavenging",
    "mito_ROS": "oxidants",
    "autophagy_flux": "clearance",
    "systemic_priming": "blood",
    "NFKB": "glia",
    "IL1B": "il1",
    "IL1B_free_receptor": "felt",
    "NMDA_gain": "calcium",
    "GABAA_gain": "inhibition",
}
OURS = "nlrp3_il1b"
SHOWN = ("IL1B", "GABA", "GLU", "seizure_rate")


def with_theirs(name: str) -> pm.Model:
    """A coupled model with their text, read from a file as a module with our ports, in the place of ours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cytokine_switch.ant"
        path.write_text(THEIRS, encoding="utf-8")
        return pm.exchange.with_module(name, pm.exchange.module_from(path, ports=PORTS), replacing=OURS)


def main() -> None:
    """Print the effect of the diet with our module and with theirs."""
    rows = {}
    for who, model in ((OURS, pm.load("epilepsy")), ("cytokine_switch", with_theirs("epilepsy"))):
        before, after = (model.simulate(t, weeks=4) for t in ([], [pm.KetogenicDiet(ratio=4)]))
        rows[who] = {n: float(after.pm[n][-1] / before.pm[n][-1]) for n in SHOWN}
    print("After 4 weeks of diet, relative to untreated, by module of inflammation\n")
    print(pd.DataFrame(rows).T.to_string(float_format="{:.3f}".format))


if __name__ == "__main__":
    main()
