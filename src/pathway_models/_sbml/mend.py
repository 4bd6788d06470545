"""SBML that is invalid only where it does not touch the mathematics: read without what is in the way, and say so.

The rule is no list of libSBML's errors: an error is beside the mathematics if it goes away with the labels of a file
(packages that a reader may ignore, SBO terms, notes, annotations, metaids, units, types and constraints), or if the
newest version of SBML no longer makes it. Whatever remains is an error of the model.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.parsers import expat

from ..errors import ModelError, ModelWarning
from . import sbml
from .findings import InvalidSBMLError
from .native import libsbml

Mend = tuple[str, Callable[[str], str]]  # what it leaves out, and how
Test = Callable[[str, str], bool]  # of an element: namespace, name; of an attribute: namespace of its element, name
# Packages whose elements are mathematics, whatever a file says of them.
MATHEMATICAL = frozenset(("comp", "distrib", "l3v2extendedmath", "qual", "spatial", "multi", "arrays"))
PACKAGE = re.compile(r"^http://www\.sbml\.org/sbml/level\d/version\d/(?!core$)(\w+)/version\d$")
_CORE = re.compile(r"^http://www\.sbml\.org/sbml/level\d(/version\d)?(/core)?$")
_MATHML = "http://www.w3.org/1998/Math/MathML"
_TAG = re.compile(rb"""<(?:[^>"']|"[^"]*"|'[^']*')*>""")
_ATTRIBUTE = re.compile(rb"""\s+([\w:.-]+)\s*=\s*(?:"[^"]*"|'[^']*')""")
_DEFINITION = re.compile(rb"""\sid\s*=\s*["'](\w+)["']""")
_XML = re.compile(r"""^\s*<\?xml\b[^>]*\?>\s*""")
_SBML = re.compile(r"""<(?:\w+:)?sbml\b(?:[^>"']|"[^"]*"|'[^']*')*>""")
_CALLED_TIME = re.compile(r"""<(parameter|species|compartment|reaction|event)\b[^>]*\sid\s*=\s*["']time["']""")
_LABEL_OF_TIME = re.compile(r"""(<csymbol\b[^>]*/symbols/time["'][^>]*>)\s*time\s*(</csymbol>)""")
_COMP_UNREQUIRED = re.compile(r"""(\scomp:required\s*=\s*)(["'])false\2""")
_UNITS_OF_TIME = re.compile(r"""<model\b[^>]*\stimeUnits\s*=\s*["'](\w+)["']""")
_UNITS = frozenset(
    ("units", "substanceUnits", "volumeUnits", "areaUnits", "lengthUnits", "extentUnits", "spatialSizeUnits")
)
_TYPES = frozenset(("listOfConstraints", "listOfSpeciesTypes", "listOfCompartmentTypes"))
_LABELS = frozenset(("notes", "annotation"))
_LABELLING = frozenset(("sboTerm", "metaid"))
_TYPED = frozenset(("speciesType", "compartmentType", "charge", "outside"))


def accept(text: str, *, name: str, same_level: bool = False) -> tuple[str, libsbml.SBMLDocument]:
    """(text, document) of an SBML text, or of what is valid of it where the rest does not touch the mathematics.

    An older level becomes the newest where that alone makes it valid, unless it must be the `same_level`. Warns with
    `ModelWarning` of what is left out. Raises `ModelError` with libSBML's first complaint where that is of the model
    itself, and for what `screen` refuses.
    """
    text = _with_distinct_time(_with_encoding(text))
    try:
        return text, sbml.parse(text, name=name)
    except InvalidSBMLError as error:
        mended, left_out = _mended(text, error, _LABEL_MENDS if same_level else _MENDS)
        complaint = error.complaint
    warnings.warn(
        f"{name} is taken without {' and '.join(left_out)}, where it is not valid SBML ({complaint})",
        ModelWarning,
        stacklevel=4,
    )
    return mended, sbml.parse(mended, name=name)


def _mended(text: str, first: InvalidSBMLError, mends: Sequence[Mend]) -> tuple[str, list[str]]:
    """The text without what libSBML complains of, and what that was; raises `first` where a complaint stays."""
    left_out, now = list[str](), first
    for what, mend in mends:
        if now.fatal:
            break
        try:
            candidate = mend(text)
            if candidate == text:
                continue
            sbml.parse(candidate)
        except InvalidSBMLError as error:
            if error.count < now.count:
                text, now = candidate, error
                left_out.append(what)
        except (ModelError, expat.ExpatError):
            continue
        else:
            return candidate, [*left_out, what]
    raise first


def _with_encoding(text: str) -> str:
    """With the encoding that XML takes where none is written; libSBML wants to read it."""
    body = _XML.sub("", text, count=1)
    return text if "encoding" in text[: len(text) - len(body)] else f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'


def _with_distinct_time(text: str) -> str:
    """The symbol of time under a label that is no id, where an id is called as libSBML labels time.

    The label means nothing, and libSBML's checks take it for the id: "time refers to itself".
    """
    return _LABEL_OF_TIME.sub(r"\1 symbol_of_time \2", text) if _CALLED_TIME.search(text) else text


# ---- what can be left out ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Package:
    """A package that the root of a text declares."""

    prefix: str
    uri: str
    name: str
    required: bool  # as the file says; in Level 2 there are none that a reader must know
    used: bool

    @property
    def needed(self) -> bool:
        return self.used and (self.required or self.name in MATHEMATICAL)


def needed_packages(text: str) -> list[str]:
    """The packages that a text uses and a reader must know."""
    return sorted(p.name for p in _packages(text) if p.needed)


def _packages(text: str) -> list[_Package]:
    root = _SBML.search(text)
    written = root.group() if root is not None else ""
    level_2 = re.search(r"""\slevel\s*=\s*["']2["']""", written) is not None
    declared = re.findall(r"""\sxmlns:([\w.-]+)\s*=\s*["']([^"']*)["']""", written)
    named = [(prefix, uri, found.group(1)) for prefix, uri in declared if (found := PACKAGE.match(uri))]
    if level_2:  # some tools declare what is a mere annotation there as if it were a package
        called = set(re.findall(r"""\s([\w.-]+):required\s*=""", written)) - {prefix for prefix, *_ in named}
        named += [(prefix, uri, prefix) for prefix, uri in declared if prefix in called]
    required = set(re.findall(r"""\s([\w.-]+):required\s*=\s*["']true["']""", written))
    used = _namespaces(text) if named else set()
    return [
        _Package(prefix=p, uri=u, name=n, required=p in required and not level_2, used=u in used) for p, u, n in named
    ]


def _namespaces(text: str) -> set[str]:
    """Namespaces of the elements of a text and of their attributes, the root's attributes left out."""
    found = set[str]()
    parser = expat.ParserCreate(namespace_separator=" ")
    below_root = False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal below_root
        if below_root:
            found.update(key.rpartition(" ")[0] for key in (name, *attributes))
        below_root = True

    parser.StartElementHandler = start
    try:
        parser.Parse(text, True)
    except expat.ExpatError:  # libSBML says where it breaks
        return set()
    return found


def _without_packages(text: str) -> str:
    """Without the packages that a reader may ignore or that the text does not use."""
    left_out = [p for p in _packages(text) if not p.needed]
    prefixes, spaces = {p.prefix for p in left_out}, {p.uri for p in left_out}

    def in_package(_: str, attribute: str) -> bool:
        prefix, _, name = attribute.rpartition(":")
        return prefix in prefixes or (prefix == "xmlns" and name in prefixes)

    return _cut(text, lambda namespace, _: namespace in spaces, in_package)


def _without_units(text: str) -> str:
    """Without units, but for that of time: a run in weeks needs it."""
    found = _UNITS_OF_TIME.search(text)
    kept = {"time", "substance", "volume", "area", "length"} | ({found.group(1)} if found else set())

    def with_unit(namespace: str, attribute: str) -> bool:
        return (_is_core(namespace) or namespace == _MATHML) and attribute.rpartition(":")[2] in _UNITS

    return _cut(text, lambda *tag: _is_core(tag[0]) and tag[1] == "unitDefinition", with_unit, kept=kept)


def _without(elements: frozenset[str] = frozenset(), attributes: frozenset[str] = frozenset()) -> Callable[[str], str]:
    """A function that leaves out these elements and attributes of SBML itself."""

    def element(namespace: str, name: str) -> bool:
        return _is_core(namespace) and name in elements

    def attribute(namespace: str, name: str) -> bool:
        return _is_core(namespace) and name in attributes

    return lambda text: _cut(text, element, attribute)


def _as_newest(text: str) -> str:
    """The same in Level 3 Version 2, which allows empty lists and reactions that change nothing."""
    document = sbml.read(text)
    understood = document.getNumErrors(libsbml.LIBSBML_SEV_ERROR) == 0  # what libSBML did not read, it would not write
    if not understood or not document.setLevelAndVersion(3, 2, False):
        return text
    return sbml.write(document)


def _is_core(namespace: str) -> bool:
    return _CORE.match(namespace) is not None


_LABEL_MENDS: tuple[Mend, ...] = (
    ("the packages that may be ignored", _without_packages),
    ("its SBO terms", _without(attributes=frozenset({"sboTerm"}))),
    ("its notes", _without(frozenset({"notes"}))),
    ("its annotations", _without(frozenset({"annotation"}))),
    ("its metaids", _without(attributes=frozenset({"metaid"}))),
    ("its units", _without_units),
    ("its types, charges and constraints", _without(_TYPES, _TYPED)),
    ("the wrong word that its submodels may be ignored", lambda text: _COMP_UNREQUIRED.sub(r"\1\2true\2", text)),
)
_MENDS = (*_LABEL_MENDS, ("the rules that later versions of SBML dropped", _as_newest))


def mathematics(text: str) -> str:
    """The text without labels, one element or text a line: the same for files that differ in nothing else.

    Raises `ExpatError` for what is no XML.
    """
    bare = _without(_LABELS, _LABELLING)(text)
    lines: list[str] = []
    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: lines.append(f"{name} {sorted(attributes.items())}")
    parser.EndElementHandler = lambda name: lines.append(f"/{name}")
    parser.CharacterDataHandler = lambda data: lines.append(data.strip()) if data.strip() else None
    parser.Parse(bare.encode(), True)
    return "\n".join(lines)


# ---- cutting -----------------------------------------------------------------------------------------------


@dataclass
class _Open:
    """An element that is being read: where it begins, whether it is cut, its children and how many of them are cut."""

    begin: int
    tag: bytes
    cut: bool
    empties: bool  # a list, which may not stay behind empty
    children: int = 0
    gone: int = 0


def _cut(text: str, element: Test, attribute: Test, *, kept: frozenset[str] | set[str] = frozenset()) -> str:
    """The text without some elements (but those with an id in `kept`) and attributes; everything else as it stands.

    A list of which nothing is left goes too. Raises `ExpatError` for what is no XML, before or after.
    """
    data = text.encode()
    parser = expat.ParserCreate("utf-8", " ")
    cuts: list[tuple[int, int]] = []
    path: list[_Open] = []

    def tag_at(index: int) -> bytes:
        found = _TAG.match(data, index)
        return found.group() if found is not None else b""

    def start(written: str, _: object) -> None:
        namespace, _, name = written.rpartition(" ")
        at, tag = parser.CurrentByteIndex, tag_at(parser.CurrentByteIndex)
        found = _DEFINITION.search(tag)
        chosen = element(namespace, name) and (found is None or found.group(1).decode() not in kept)
        if path:
            path[-1].children += 1
        path.append(_Open(begin=at, tag=tag, cut=chosen, empties=_is_core(namespace) and name.startswith("listOf")))
        spans = ((m.group(1).decode(), m.span()) for m in _ATTRIBUTE.finditer(tag))
        cuts.extend((at + a, at + b) for key, (a, b) in spans if attribute(namespace, key))

    def end(_: str) -> None:
        this = path.pop()
        if this.cut or (this.empties and 0 < this.children == this.gone):
            while cuts and cuts[-1][0] >= this.begin:
                cuts.pop()
            alone = this.tag.endswith(b"/>")  # of such an element expat reports no end of its own
            at = this.begin if alone else parser.CurrentByteIndex
            cuts.append((this.begin, at + len(tag_at(at))))
            if path:
                path[-1].gone += 1

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.Parse(data, True)
    left, at = bytearray(), 0
    for a, b in cuts:
        left += data[at:a]
        at = b
    left += data[at:]
    expat.ParserCreate("utf-8", " ").Parse(bytes(left), True)
    return left.decode()
