"""Data and model cards for the book, written from the registries."""

from __future__ import annotations

from . import datasets, models
from .datasets.registry import rows

SOURCES = {
    "package": "inside a published package",
    "github": "public repository, pinned commit",
    "openneuro": "public archive (OpenNeuro), fetched where there is a network",
    "rebuild": "rebuilt from a public repository, pinned commit",
    "mirror": "mirror folder only",
}


def data_cards() -> str:
    """One section of MyST markdown a data set: what, licence, whom to cite, caveats, files and their sources."""
    groups = [group for name, group in datasets.groups().items() if not name.startswith("model-")]
    return "\n\n".join(map(_data_card, groups))


def _data_card(group) -> str:
    lines = [f"**{group.title}** (`{group.group}`)", f": {group.what}.", ""]
    facts = [("Kind", group.kind), ("Licence as found", group.licence)]
    if group.cite:
        facts.append(("Cite", "{cite:p}`" + group.cite.replace(";", ",") + "`"))
    if group.caveat:
        facts.append(("Beware", group.caveat))
    facts.append(("Files", _files(group.group)))
    return "\n".join(lines + [f"  * {label}: {text}" for label, text in facts])


def _files(group: str) -> str:
    if group == "captions92":
        return "ships with this package"
    files = [rows(name) for name in datasets.names(group)]
    sources = dict.fromkeys(SOURCES[row.source] for alternatives in files for row in alternatives)
    size = sum(alternatives[0].bytes for alternatives in files) / 1e6
    return f"{len(files)}, {size:,.1f} MB; {'; '.join(sources)}"


def model_cards() -> str:
    """One section of MyST markdown a registered model."""
    return "\n\n".join(_model_card(models.info(name)) for name in models.names())


def _model_card(info) -> str:
    facts = [
        ("Kind", info.kind),
        ("Parameters", f"{info.parameters:,}" if info.parameters else "see source"),
        ("Layers", str(info.layers or "")),
        ("Dimensions", str(info.dim or "")),
        ("Capability", f"ImageNet top-1 {info.capability} %" if info.capability else ""),
        ("Licence", info.licence + (", opt-in: the terms restrict use" if info.opt_in else "")),
        ("Cite", "{cite:p}`" + info.citation + "`" if info.citation else ""),
        ("Note", info.note),
    ]
    return "\n".join([f"**{info.id}**", ""] + [f"  * {label}: {text}" for label, text in facts if text])
