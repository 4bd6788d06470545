"""A scenario as a COMBINE archive: model, time course, expected values, figure, description, creators, licence."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import metadata
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from .. import figures
from .._sbml import omex
from .._sbml.annotation import LICENCE
from .._sbml.sbml import read
from ..models.model import Model
from ..treatments.schedule import Treatment, label
from . import sedml as _exchange_sedml

if TYPE_CHECKING:
    import xarray as xr

_COMBINE = "http://identifiers.org/combine.specifications"
_MEDIA = "http://purl.org/NET/mediatypes"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DCTERMS = "http://purl.org/dc/terms/"
_VCARD = "http://www.w3.org/2006/vcard/ns#"
PLOTS = 9
STEPS = 400


def archive(
    model: Model, sbml: str, treatments: Sequence[Treatment], duration: float, creators: Sequence[str]
) -> bytes:
    """The bytes of the archive; `sbml` is the scenario. Raises `SimulationError` if the scenario does not run."""
    steps = min(STEPS, max(1, round(duration)))
    run = model.simulate(treatments, duration=duration, every=duration / steps)
    names = [str(v) for v in run.data_vars]
    shown = main_variables(model, names)
    sedml = _exchange_sedml.time_course(
        source=f"{model.name}.xml",
        duration=duration,
        steps=steps,
        kinds={n: model.quantities[n].kind for n in names},
        titles={n: str(run[n].attrs.get("long_name", n)) for n in names},
        plots=shown,
    )
    words = _description(model, treatments, run)
    authors = list(creators) or _authors(model)
    return omex.pack(
        (
            omex.Member(
                path="simulation.sedml", format=f"{_COMBINE}/sed-ml.level-1.version-3", data=sedml, master=True
            ),
            omex.Member(path=f"{model.name}.xml", format=_format_of(sbml), data=sbml.encode()),
            omex.Member(path="expected.csv", format=f"{_MEDIA}/text/csv", data=_table(run)),
            omex.Member(path="figure.png", format=f"{_MEDIA}/image/png", data=_figure(run, shown)),
            omex.Member(path="README.md", format=f"{_MEDIA}/text/markdown", data=words.encode()),
            omex.Member(path="metadata.rdf", format=f"{_COMBINE}/omex-metadata", data=_rdf(model, words, authors)),
        )
    )


def main_variables(model: Model, names: Sequence[str]) -> list[str]:
    """The few of `names` that one would look at first: aliases, outputs, states."""
    wanted = [*model.aliases.values(), *(p.id for p in model.output_ports), *model.states]
    return [n for n in dict.fromkeys(wanted) if n in names][:PLOTS]


def _format_of(sbml: str) -> str:
    document = read(sbml)
    return f"{_COMBINE}/sbml.level-{document.getLevel()}.version-{document.getVersion()}"


def _table(run: xr.Dataset) -> bytes:
    return bytes(run.to_dataframe().to_csv(lineterminator="\n").encode())


def _figure(run: xr.Dataset, names: Sequence[str]) -> bytes:
    import matplotlib.pyplot as plt

    figure = figures.plot_arms(run, names)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def _description(model: Model, treatments: Sequence[Treatment], run: xr.Dataset) -> str:
    """What the archive holds, in Markdown."""
    unit = str(run["time"].attrs.get("units", ""))
    schedule = "".join(f"- `{t!r}`\n" for t in treatments) or "- none\n"
    context = f"{model.contexts[model.context].title} (`{model.context}`)" if model.context else "as in the file"
    return (
        f"# {model.title}\n\n"
        f"Model `{model.name}`, arm `{label(list(treatments))}`, {float(run['time'][-1]):g} {unit} from the start.\n\n"
        f"Context: {context}. Treatments (the SBML holds them as events and initial values):\n\n{schedule}\n"
        f"- `{model.name}.xml`: the scenario in SBML, at rest in its context at time 0\n"
        "- `simulation.sedml`: the time course, all variables and the plots\n"
        "- `expected.csv`: what pathway_models computes for it; at a switch the values are those after it\n"
        "- `figure.png`: the main variables\n\n"
        f"pathway_models {run.attrs['pathway_models']}, libroadrunner {run.attrs['libroadrunner']}."
        + (f" Licence of the model: CC0 1.0, {LICENCE}\n" if _ours(model) else "\n")
    )


def _ours(model: Model) -> bool:
    """Whether the model is of the library; the licence of somebody else's model is not ours to state."""
    return bool(model.contexts)


def _authors(model: Model) -> list[str]:
    if _ours(model):
        return [str(metadata("pathway-models")["Author"])]
    document = read(model.sbml)
    history = document.getModel().getModelHistory()
    listed = history.getListCreators() if history is not None else None
    people = [listed.get(i) for i in range(listed.getSize())] if listed is not None else []
    return [" ".join(filter(None, (p.getGivenName(), p.getFamilyName()))) or p.getName() for p in people]


def _rdf(model: Model, words: str, creators: Sequence[str]) -> bytes:
    names: Mapping[str, str] = {"xmlns:rdf": _RDF, "xmlns:dcterms": _DCTERMS, "xmlns:vCard": _VCARD}
    root = Element("rdf:RDF", dict(names))
    about = SubElement(root, "rdf:Description", {"rdf:about": "."})
    SubElement(about, "dcterms:title").text = model.title
    SubElement(about, "dcterms:description").text = words
    if _ours(model):
        SubElement(about, "dcterms:license", {"rdf:resource": LICENCE})
    if creators:
        bag = SubElement(SubElement(about, "dcterms:creator"), "rdf:Bag")
        for creator in creators:
            person = SubElement(bag, "rdf:li", {"rdf:parseType": "Resource"})
            name = SubElement(person, "vCard:hasName", {"rdf:parseType": "Resource"})
            given, _, family = creator.rpartition(" ")
            SubElement(name, "vCard:family-name").text = family
            SubElement(name, "vCard:given-name").text = given
            SubElement(person, "vCard:fn").text = creator
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for term in ("created", "modified"):
        when = SubElement(about, f"dcterms:{term}", {"rdf:parseType": "Resource"})
        SubElement(when, "dcterms:W3CDTF").text = now
    return omex.xml_bytes(root)
