import hashlib
import io
import multiprocessing
import os
import re
import tarfile
import threading
import time
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import pooch
import pytest

from neuroconverge import BadInput, DataUnavailable, UnknownName, datasets
from neuroconverge.datasets import registry, sources

fetch = import_module("neuroconverge.datasets.fetch")  # the package exports its function of the same name
A, B, OTHER = "group/a.bin", "group/b.bin", "other/c.bin"
DATA = {name: bytes(range(256)) * 20 + name.encode() for name in (A, B, OTHER)}
WRONG = {"truncated": DATA[A][:-1], "same size": DATA[A][::-1], "empty": b"", "login page": b"<html>log in</html>"}
pip_sources = sources.pip_sources
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


class Answer(BaseHTTPRequestHandler):
    log_message = print

    def do_GET(self):
        host, name = self.server, self.path.strip("/")
        host.asked.append(name)
        time.sleep(0.5 if host.way == "slow" else 0)
        if host.way != "hang up":
            data = host.pages.get(name) or b""
            self.send_response(200 if data else 404)
            self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json" if "json" in name else "text/html")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: 2000 if host.way in ("cut", "stall") else None])
            host.go_on.wait(30 if host.way == "stall" else 0)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache, no mirror, nothing known yet, and sources that refuse unless a test says otherwise."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("NEUROCONVERGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NEUROCONVERGE_MIRROR", raising=False)
    monkeypatch.setattr(fetch, "_verified", set())
    monkeypatch.setattr(sources, "_unreachable", {})
    monkeypatch.setattr(sources, "pip_sources", lambda: (["http://127.0.0.1:1/simple"], []))
    monkeypatch.setattr(sources, "github_url", lambda row, path=None: "http://127.0.0.1:1/a.bin")
    return tmp_path / "cache"


def register(monkeypatch, table):
    """Replace the registry by made-up files, each with its sources."""
    made = {n: [registry.Row(n, *way, len(DATA[n]), sha(DATA[n])) for way in ways] for n, ways in table.items()}
    monkeypatch.setattr(registry, "_by_name", lambda: made)


@pytest.fixture
def host(monkeypatch):
    """A local server of the made-up files: notes who asks, and is whole, slow, cut, stalls or hangs up."""
    register(monkeypatch, {name: [("github", "owner/repo@0|file")] for name in DATA})
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as host:
        host.pages, host.asked, host.way, host.go_on = dict(DATA), [], "whole", threading.Event()
        host.url = f"http://127.0.0.1:{host.server_port}"
        threading.Thread(target=host.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setattr(sources, "github_url", lambda row, path=None: f"{host.url}/{row.name}")
        yield host
        host.go_on.set()
        host.shutdown()


def sha(data):
    return hashlib.sha256(data).hexdigest()


def put(folder, name, data=None):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(DATA[name] if data is None else data)
    return folder / name


def left(cache):
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("[!.]*") if path.is_file())


def test_a_cached_file_is_hashed_once_and_again_when_it_changes(cache, monkeypatch, host):
    hashed, real = [], pooch.file_hash
    monkeypatch.setattr(pooch, "file_hash", lambda path, alg: hashed.append(path) or real(path, alg))
    assert datasets.where(A) is None and not datasets.available(A)
    put(cache, A)
    assert datasets.fetch(A) == datasets.fetch(A) == datasets.where(A) == cache / A and datasets.available(A)
    assert hashed == [str(cache / A)] and not host.asked and not datasets.available("group")
    assert [path.read_bytes() for path in datasets.fetch_group("group").values()] == [DATA[A], DATA[B]]
    assert datasets.available("group") and host.asked == [B] and left(cache) == [A, B]
    os.utime(put(cache, A, WRONG["same size"]), ns=(1, 1))  # whatever the grain of the clock
    with pytest.warns(UserWarning, match="set aside"):
        assert datasets.fetch(A).read_bytes() == DATA[A]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_mirror_is_read_in_place_and_a_wrong_file_is_never_used(cache, monkeypatch, tmp_path, host, wrong):
    bad, good = put(tmp_path / "bad", A, WRONG[wrong]), put(tmp_path / "good", A)
    monkeypatch.setenv("NEUROCONVERGE_MIRROR", os.pathsep.join(str(path.parents[1]) for path in (bad, good)))
    assert datasets.fetch(A) == datasets.where(A) == good and not cache.exists() and not host.asked
    good.unlink()
    put(cache, A, WRONG[wrong])
    assert datasets.where(A) is None
    with pytest.warns(UserWarning, match=r"a\.bin is not the registered file; it was set aside as a\.bin\.wrong-\d+"):
        assert datasets.fetch(A).read_bytes() == DATA[A]
    assert [(cache / name).read_bytes() for name in left(cache)] == [DATA[A], WRONG[wrong]]
    assert bad.read_bytes() == WRONG[wrong]


@pytest.mark.parametrize("call", [datasets.fetch, datasets.where, datasets.available, datasets.fetch_group])
def test_an_unknown_name_brings_the_nearest(call):
    end, near = ("", "") if call == datasets.fetch_group else ("92/92_brainRDM.mat", "/92_brainRDMs.mat")
    with pytest.raises(UnknownName, match=f"is called 'rsatoolbox{end}'. Did you mean .*'rsatoolbox92{near}'"):
        call(f"rsatoolbox{end}")


def test_offline_the_message_lists_every_attempt_and_three_ways_on(cache, monkeypatch, tmp_path):
    package = ("package", f"made==1.0|wheel|{'0' * 64}|made/a.bin")
    register(monkeypatch, {A: [package, ("github", "owner/repo@0|a.bin"), ("mirror", "by hand")]})
    monkeypatch.setenv("NEUROCONVERGE_MIRROR", str(tmp_path))
    put(tmp_path, A, b"short")
    with pytest.raises(DataUnavailable) as caught:
        datasets.fetch(A)
    tried = rf"""Tried:
  - {cache / A}: not there\n  - {tmp_path / A}: 5 bytes, {len(DATA[A]):,} wanted
  - package made==1.0: package index: \w*Error\n  - github owner/repo@0: 127.0.0.1:1: ConnectionError
  - mirror by hand: only from a mirror folder .*\nThree ways on: connect to a network.*;
  set NEUROCONVERGE_MIRROR to a folder .* {A}; or put the file at {cache / A}""".replace(";\n ", ";")
    assert re.search(tried, str(caught.value)), caught.value
    assert not left(cache)


@pytest.mark.filterwarnings("ignore:.*set aside")
@pytest.mark.parametrize("trouble", ["hang up", "hang up: index", "404", "cut", "login page"])
def test_a_host_that_refused_is_asked_once_and_one_that_erred_is_asked_again(cache, monkeypatch, host, trouble):
    if trouble == "hang up: index":
        register(monkeypatch, dict.fromkeys((A, B), [("package", f"made==1.0|wheel|{'0' * 64}|made/a.bin")]))
        monkeypatch.setattr(sources, "pip_sources", lambda: ([f"{host.url}/simple"], []))
    host.way = trouble.partition(":")[0]
    host.pages[A] = {"404": None, "login page": WRONG["login page"]}.get(trouble, DATA[A])
    with pytest.raises(DataUnavailable):
        datasets.fetch(A)
    assert [name[:23] for name in left(cache)] == ["group/a.bin.part.wrong-"] * (trouble == "login page")
    host.way, host.pages[A] = "whole", DATA[A]
    if "hang up" in trouble:
        with pytest.raises(DataUnavailable, match="asked once before in this session"):
            datasets.fetch(B)
        assert len(host.asked) == 1
    else:
        assert datasets.fetch(A).read_bytes() == DATA[A]


def start(action):
    """Run ``action`` in a process of its own, with all that the test has changed; the getter waits for the outcome."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def run():
        try:
            answers.put(str(action()))
        except BaseException as error:
            answers.put(f"{type(error).__name__}: {error}")

    process = context.Process(target=run, daemon=True)
    process.start()
    return process, answers.get


def test_two_processes_share_one_download(cache, host):
    host.way, barrier = "slow", multiprocessing.Barrier(2)
    pair = [start(lambda: barrier.wait(10) < 0 or sha(datasets.fetch(A).read_bytes())) for _ in range(2)]
    assert [outcome() for _, outcome in pair] == [sha(DATA[A])] * 2
    assert host.asked == [A] and left(cache) == [A]


def test_a_killed_download_is_never_read_and_blocks_nobody(cache, host):
    host.way, part, deadline = "stall", cache / f"{A}.part", time.monotonic() + 20
    process, _ = start(lambda: datasets.fetch(A))
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.join(10)
    assert process.exitcode == -9 and left(cache) == [f"{A}.part"] and datasets.where(A) is None
    host.way = "whole"
    assert datasets.fetch(A).read_bytes() == DATA[A] and left(cache) == [A]


@pytest.mark.parametrize("trouble", ["read-only", "remains of a kill", "closed", "no folder", "full", "full: package"])
def test_a_cache_that_cannot_be_written_names_the_setting(cache, monkeypatch, tmp_path, host, shelve, trouble):
    resource = pytest.importorskip("resource")
    if trouble == "full: package":
        shelve("wheel")
    closed = [tmp_path, *(folder for folder in tmp_path.parents if folder.name.startswith(("pytest-", "popen-")))]
    full, kept = "full" in trouble, [B, "group/a.bin.part.wrong-1", "group/weights.gguf.part00"]
    kept += [f"{A}.part"] * (trouble == "remains of a kill")
    for name in kept:  # a good file, one set aside, and one whose name looks like a part
        put(cache, name, DATA[B])
    if not full:
        monkeypatch.setenv("NEUROCONVERGE_MIRROR", str(tmp_path / "mirror"))
        put(tmp_path / "mirror", A).chmod(0)  # unreadable, so passed over
        for folder in closed:  # by pytest, to others
            folder.chmod(0o711)
        (cache / "group").chmod(0o555)
        cache.chmod(0 if trouble == "closed" else 0o555)
    if trouble == "no folder":
        monkeypatch.setenv("NEUROCONVERGE_CACHE", str(cache / B))

    def action():
        if full:  # Python ignores the signal, so that writing fails
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        elif os.getuid() == 0:
            os.setuid(65534)
        assert trouble not in ("read-only", "remains of a kill") or datasets.fetch(B).read_bytes() == DATA[B]
        datasets.fetch(A)

    answer = start(action)[1]()
    reason = "File too large" if full else "Not a directory" if trouble == "no folder" else "Permission denied"
    assert re.match(rf"CacheError: .* {cache}.* \({reason}; [\d,]+ MB free\)\. .* NEUROCONVERGE_CACHE", answer), answer
    for folder in (cache, *closed):
        folder.chmod(0o700)
    assert left(cache) == sorted(kept)


@pytest.fixture
def shelve(monkeypatch, tmp_path):
    """Put a made-up package where pip is told to look, and register its members; its code must never run."""

    def shelve(kind, member="made/a.bin"):
        (tmp_path / "links").mkdir()
        path = tmp_path / "links" / ("made-1.0-py3-none-any.whl" if kind == "wheel" else "made-1.0.tar.gz")
        trap = f"open({str(tmp_path / 'it-ran')!r}, 'w')".encode()
        content = {"setup.py": trap, "made/__init__.py": trap, member: DATA[A], "made/c.bin": DATA[OTHER]}
        with zipfile.ZipFile(path, "w") if kind == "wheel" else tarfile.open(path, "w:gz") as archive:
            for name, data in content.items():
                if kind == "wheel":
                    info = zipfile.ZipInfo(name)
                    info.external_attr = (0o120777 if name == "link" else 0o100644) << 16
                    archive.writestr(info, data)
                else:
                    info = tarfile.TarInfo(name)
                    info.type, info.size = tarfile.SYMTYPE if name == "link" else tarfile.REGTYPE, len(data)
                    archive.addfile(info, io.BytesIO(data))
        way = f"made==1.0|{kind}|{sha(path.read_bytes())}|"
        register(monkeypatch, {A: [("package", way + member)], OTHER: [("package", way + "made/c.bin")]})
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
        monkeypatch.setattr(sources, "pip_sources", lambda: ([], pip_sources()[1]))
        return path, sha(path.read_bytes())

    yield shelve
    assert not (tmp_path / "it-ran").exists()


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
@pytest.mark.parametrize("index", ["folder", "html", "json"])
def test_a_package_gives_its_members_and_never_runs(cache, host, shelve, monkeypatch, kind, index):
    archive, digest = shelve(kind)
    files = f'{{"filename": "{archive.name}", "url": "/x/{archive.name}", "hashes": {{"sha256": "{digest}"}}}}'
    html = f'<a href="/x/{archive.name}#sha256={digest}">made</a>'
    host.pages |= {"html/made": html.encode(), "json/made": f'{{"files": [{files}]}}'.encode()}
    host.pages[f"x/{archive.name}"] = archive.read_bytes()
    if index != "folder":
        monkeypatch.setattr(sources, "pip_sources", lambda: ([f"{host.url}/{index}"], []))
    assert datasets.fetch(A).read_bytes() == DATA[A]
    assert left(cache) == [A, OTHER]  # the other registered member as well, and no archive
    assert datasets.where(OTHER).read_bytes() == DATA[OTHER]


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
@pytest.mark.parametrize("trick", ["other hash", "false hash", "../x.bin", "/x.bin", "link"])
def test_a_package_that_is_not_what_it_should_be_is_refused(cache, shelve, tmp_path, kind, trick):
    archive, digest = shelve(kind, "made/a.bin" if "hash" in trick else trick)
    error, reason = BadInput, f"member: '{trick}' (is a link|points outside)"
    if "hash" in trick:
        archive.write_bytes(archive.read_bytes() + b"\0")
        error, reason = DataUnavailable, f"no {kind} of made==1.0 with sha256 {digest[:12]}"
    if trick == "false hash":
        (archive.parent / "index.html").write_text(f'<a href="{archive.name}#sha256={digest}">made</a>')
        reason = f"the {kind} of made==1.0 is not the one registered"
    with pytest.raises(error, match=reason):
        datasets.fetch(A)
    assert not left(cache) and not list(tmp_path.rglob("x.bin"))


def test_the_registry_is_sound():
    table = [registry.rows(name) for name in datasets.names()]
    assert len(table) >= 250
    for first, row in [(rows[0], row) for rows in table for row in rows]:
        assert re.fullmatch(r"[\w-]+/[\w.+-]+", row.name) and row.bytes > 0, row
        assert re.fullmatch("[0-9a-f]{64}", row.sha256), row
        assert row.source != "package" or re.fullmatch("[0-9a-f]{64}", row.parts[2]), row
        assert (row.sha256, row.bytes) == (first.sha256, first.bytes), row
        if row.source == "mirror":
            with pytest.raises(DataUnavailable, match=f"only from a mirror folder .*\n.* holds {row.name}"):
                datasets.fetch(row.name)
    # The captions are ours and lie in the package itself.
    assert {rows[0].group for rows in table} == set(datasets.groups()) - {"captions92"}
    text = Path(registry.__file__).with_name("registry.csv").read_text(encoding="utf-8")
    assert not re.search(r"://|pypi\.|pythonhosted|anaconda|conda-forge", text, re.IGNORECASE)
    bibliography = Path(__file__).parents[1] / "book" / "references.bib"
    if bibliography.exists():
        keys = re.findall(r"^@\w+\{([^,\s]+)", bibliography.read_text(encoding="utf-8"), re.M)
        assert {key for group in datasets.groups().values() for key in group.cite.split(";")} <= {"", *keys}
