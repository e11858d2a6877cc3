"""The table of every file the book can use: where it comes from, its size and its sha256."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ..errors import UnknownName


@dataclass(frozen=True)
class Row:
    """One source of one file.

    ``name`` is ``group/file``. ``locator`` depends on ``source``:

    - ``package``: ``name==version|sdist or wheel|sha256 of the archive|member``
    - ``github``: ``owner/repository@commit|path``
    - ``openneuro``: ``data set|version|path``
    - ``rebuild``: ``owner/repository@commit|function of datasets.rebuild|path``
    - ``mirror``: a note; the file cannot be had from a public source as it is
    """

    name: str
    source: str
    locator: str
    bytes: int
    sha256: str

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]

    @property
    def file(self) -> str:
        return self.name.partition("/")[2]

    @property
    def parts(self) -> list[str]:
        return self.locator.split("|")


@dataclass(frozen=True)
class Group:
    """A data set: what it is, its licence as found, whom to cite, and what to beware of."""

    group: str
    title: str
    what: str
    kind: str
    licence: str
    cite: str
    caveat: str


def _table(file: str) -> list[dict[str, str]]:
    text = files(__package__).joinpath(file).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def _by_name() -> dict[str, list[Row]]:
    table = defaultdict(list)
    for entry in _table("registry.csv"):
        row = Row(**{**entry, "bytes": int(entry["bytes"])})
        table[row.name].append(row)
    return dict(table)


@cache
def groups() -> dict[str, Group]:
    """All data sets by name, in the order of ``groups.csv``."""
    return {entry["group"]: Group(**entry) for entry in _table("groups.csv")}


def names(group: str | None = None) -> list[str]:
    """Names of all files, or of one group's files."""
    if group is None:
        return list(_by_name())
    found = [name for name in _by_name() if name.startswith(f"{group}/")]
    if not found:
        raise UnknownName("data set", group, {name.partition("/")[0] for name in _by_name()})
    return found


def rows(name: str) -> list[Row]:
    """The alternative sources of one file, in the order in which they are tried."""
    try:
        return _by_name()[name]
    except KeyError:
        raise UnknownName("data file", name, _by_name()) from None


def members_of(archive_sha256: str) -> list[Row]:
    """All registered members of one package archive, so that one download serves them all."""
    return [
        row
        for alternatives in _by_name().values()
        for row in alternatives
        if row.source == "package" and row.parts[2] == archive_sha256
    ]
