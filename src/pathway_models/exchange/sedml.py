"""The SED-ML (L1V3) of a scenario: one time course, all its variables as a report, the main ones as plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement

from .._sbml.omex import xml_bytes

NAMESPACE = "http://sed-ml.org/sed-ml/level1/version3"
_SBML = "http://www.sbml.org/sbml/level3/version2/core"
_MATHML = "http://www.w3.org/1998/Math/MathML"
_CVODE, _RELATIVE, _ABSOLUTE, _STEPS = "KISAO:0000019", "KISAO:0000209", "KISAO:0000211", "KISAO:0000415"
_LISTS = {"species": "listOfSpecies", "parameter": "listOfParameters", "compartment": "listOfCompartments"}


def time_course(
    *,
    source: str,
    duration: float,
    steps: int,
    kinds: Mapping[str, str],
    titles: Mapping[str, str],
    plots: Sequence[str],
) -> bytes:
    """SED-ML that runs `source` from 0 to `duration` in `steps` equal steps with CVODE.

    `kinds` says of each variable whether it is a species, parameter or compartment; `titles` names those that have a
    title; `plots` gives those that get a plot of their own.
    """
    root = Element("sedML", {"xmlns": NAMESPACE, "xmlns:sbml": _SBML, "level": "1", "version": "3"})
    _simulation(SubElement(root, "listOfSimulations"), duration, steps)
    language = {"id": "model", "language": "urn:sedml:language:sbml", "source": source}
    SubElement(SubElement(root, "listOfModels"), "model", language)
    task = {"id": "task", "modelReference": "model", "simulationReference": "time_course"}
    SubElement(SubElement(root, "listOfTasks"), "task", task)
    generators = SubElement(root, "listOfDataGenerators")
    _generator(generators, "time", "time", {"symbol": "urn:sedml:symbol:time"})
    for name, kind in kinds.items():
        target = f"/sbml:sbml/sbml:model/sbml:{_LISTS[kind]}/sbml:{kind}[@id='{name}']"
        _generator(generators, name, titles.get(name, name), {"target": target})
    _outputs(SubElement(root, "listOfOutputs"), kinds, titles, plots)
    return xml_bytes(root)


def _simulation(parent: Element, duration: float, steps: int) -> None:
    times = {"initialTime": "0", "outputStartTime": "0", "outputEndTime": repr(duration), "numberOfPoints": str(steps)}
    simulation = SubElement(parent, "uniformTimeCourse", {"id": "time_course", **times})
    algorithm = SubElement(simulation, "algorithm", {"kisaoID": _CVODE})
    settings = SubElement(algorithm, "listOfAlgorithmParameters")
    for kisao, value in ((_RELATIVE, "1e-9"), (_ABSOLUTE, "1e-12"), (_STEPS, "100000")):
        SubElement(settings, "algorithmParameter", {"kisaoID": kisao, "value": value})


def _generator(parent: Element, name: str, title: str, what: Mapping[str, str]) -> None:
    generator = SubElement(parent, "dataGenerator", {"id": f"data_{name}", "name": title})
    variable = {"id": f"variable_{name}", "taskReference": "task", **what}
    SubElement(SubElement(generator, "listOfVariables"), "variable", variable)
    SubElement(SubElement(generator, "math", {"xmlns": _MATHML}), "ci").text = f"variable_{name}"


def _outputs(parent: Element, kinds: Mapping[str, str], titles: Mapping[str, str], plots: Sequence[str]) -> None:
    for name in plots:
        plot = SubElement(parent, "plot2D", {"id": f"plot_{name}", "name": titles.get(name, name)})
        curve = {"id": f"curve_{name}", "logX": "false", "logY": "false"}
        references = {"xDataReference": "data_time", "yDataReference": f"data_{name}"}
        SubElement(SubElement(plot, "listOfCurves"), "curve", curve | references)
    report = SubElement(parent, "report", {"id": "report", "name": "all variables"})
    sets = SubElement(report, "listOfDataSets")
    for name in ("time", *kinds):
        reference = {"id": f"set_{name}", "label": name, "dataReference": f"data_{name}"}
        SubElement(sets, "dataSet", reference)
