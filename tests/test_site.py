"""The built pages: links, pictures and text read from the files, layout and console in headless Chromium.

Nothing is built here. Without ``_build/html`` these tests skip; with NEUROCONVERGE_REQUIRE_SITE=1 they fail.
"""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, toc_names

SITE = ROOT / "_build" / "html"
WIDTHS = (1366, 390)  # a laptop, a phone
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
OUT_OF_REACH = "can neither be found nor reached on this machine"  # as experiments and chapters say it
NEEDS_DATA = re.compile(r"^if \w+ is not None:", re.MULTILINE)  # a cell that shows nothing without them
NOT_RENDERED = re.compile(r"\{(glue|cite|ref|doc|term|numref)\b[^}\s]*\}|Traceback \(most recent call last\)")


@pytest.fixture(scope="session")
def site() -> Path:
    required = os.environ.get("NEUROCONVERGE_REQUIRE_SITE")
    built = SITE / "index.html"
    if not built.is_file():
        (pytest.fail if required else pytest.skip)("there is no _build/html: run make book first")
    changed = [page for page in (ROOT / "book").rglob("*.[im][pd]*") if page.stat().st_mtime > built.stat().st_mtime]
    if changed and not required:
        pytest.skip(f"the built book is older than {changed[0].relative_to(ROOT)}: run make book first")
    return SITE


# Checks that need no browser ------------------------------------------------------------------------------


@functools.cache
def parse(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def html_files(site: Path) -> list[Path]:
    """All pages; _static holds templates of the theme, which are no pages."""
    return [path for path in sorted(site.rglob("*.html")) if path.relative_to(site).parts[0] != "_static"]


def anchors(page: BeautifulSoup) -> set[str]:
    return {tag[key] for key in ("id", "name") for tag in page.find_all(attrs={key: True})} | {"", "top"}


def broken_links(site: Path) -> list[str]:
    """Every internal href and src that leads to no file, and every #fragment without its anchor."""
    found = []
    for path in html_files(site):
        here = path.relative_to(site).as_posix()
        for tag in parse(path).find_all(lambda tag: tag.has_attr("href") or tag.has_attr("src")):
            link = tag.get("href", tag.get("src")).strip()
            # A base of our own keeps "../.." within the site and tells inner links from outer ones.
            url, fragment = urldefrag(urljoin(f"http://book.invalid/{here}", link))
            if not url.startswith("http://book.invalid/"):
                continue
            target = site / unquote(urlsplit(url).path).lstrip("/")
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                found.append(f"{here}: {link} leads nowhere")
            elif target.suffix == ".html" and unquote(fragment) not in anchors(parse(target)):
                found.append(f"{here}: {link} has no such anchor")
    return found


def mute_images(site: Path) -> list[str]:
    """Images without alt text. Sphinx puts the file's path where none was given, which says nothing."""
    found = []
    for path in html_files(site):
        for image in parse(path).select("img:not(.logo__image)"):  # the logo stands beside its own text
            alt = image.get("alt", "").strip()
            if not alt or re.fullmatch(r"\S+\.(png|svg|jpe?g|gif|webp)", alt):
                found.append(f"{path.relative_to(site)}: {image.get('src', '')[-60:]} has alt {alt!r}")
    return found


def unrendered(site: Path) -> list[str]:
    """Errors of the build that reached a page, and markup that was never replaced."""
    found = []
    for path in html_files(site):
        page = parse(path)
        where = path.relative_to(site)
        found += [f"{where}: {tag.get_text()[:80]!r}" for tag in page.select(".problematic, .system-message")]
        # Left by progress bars of tqdm.auto and rich; shown only with scripts of other hosts.
        found += [f"{where}: a Jupyter widget" for _ in page.select("script[type*=widget-view]")]
        found += [f"{where}: {match.group()!r}" for match in NOT_RENDERED.finditer(page.get_text())]
    return found


def missing_figures(site: Path, page: str, cells: list) -> list[str]:
    """Figures of a notebook that its page lacks. A cell that needs data may show none where the page says why."""
    built = parse(site / f"{page}.html")
    excused = OUT_OF_REACH in " ".join(built.get_text().split())
    wanted = {
        cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        for cell in cells
        if not (excused and NEEDS_DATA.search(cell.source))
    }
    shown = {tag.get("alt") for tag in built.find_all("img")}
    return [f"{page}: {alt[:60]}" for alt in wanted - shown - {None}]


def test_every_page_of_the_contents_is_built(site):
    assert [page for page in toc_names() if not (site / f"{page}.html").is_file()] == []


def test_every_link_and_anchor_resolves(site):
    assert broken_links(site) == []


def test_every_image_has_alt_text(site):
    assert mute_images(site) == []


def test_every_figure_of_the_notebooks_is_on_its_page(site):
    missing = []
    for page in toc_names():
        source = ROOT / f"{page}.ipynb"
        if source.is_file():
            missing += missing_figures(site, page, nbformat.read(source, as_version=4).cells)
    assert missing == []


def test_nothing_is_left_unrendered(site):
    assert unrendered(site) == []


def launch_links(site: Path, page: str) -> set[str]:
    links = {tag["href"] for tag in parse(site / f"{page}.html").find_all("a", href=True)}
    return {link for link in links if urlsplit(link).netloc in ("colab.research.google.com", "mybinder.org")}


def test_notebooks_and_nothing_else_can_be_launched(site, config):
    repository = config["repository"]
    owner, branch = urlsplit(repository["url"]).path.strip("/"), repository["branch"]
    for page in toc_names():
        expected = {
            f"https://colab.research.google.com/github/{owner}/blob/{branch}/{page}.ipynb",
            f"https://mybinder.org/v2/gh/{owner}/{branch}?urlpath=lab/tree/{page}.ipynb",
        }
        # Colab cannot open Markdown. It is a kernelspec in its front matter that brings a page the buttons:
        # one that only runs code needs no more there than "file_format: mystnb".
        is_notebook = (ROOT / f"{page}.ipynb").is_file()
        assert launch_links(site, page) == (expected if is_notebook else set()), page


# Checks in a browser --------------------------------------------------------------------------------------

# Waits until pictures, lazy ones too, and fonts have arrived or failed, then measures the page.
MEASURE = """
const done = arguments[0];
const shown = e => e.getClientRects().length > 0;
const scrolls = e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
function boxed(e) {
  for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) if (scrolls(p)) return true;
  return false;
}
function name(e) { return e.tagName.toLowerCase() + (e.className.trim ? '.' + e.className.trim() : ''); }
const images = [...document.images].filter(i => new URL(i.currentSrc || i.src).host === location.host);
for (const image of images) image.loading = 'eager';
Promise.allSettled([document.fonts.ready, ...images.map(i => i.decode())]).then(() => {
  const root = document.scrollingElement, edge = root.clientWidth + 1;
  const article = document.querySelector('article') || document.body;
  const wide = [...article.querySelectorAll('*')].filter(
    e => shown(e) && e.getBoundingClientRect().right > edge && !boxed(e));
  done({
    sideways: root.scrollWidth > edge ? root.scrollWidth - root.clientWidth : 0,
    wide: wide.slice(0, 3).map(name),
    missing: images.filter(i => !i.naturalWidth).map(i => i.src),
  });
});
"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One headless Chromium for all pages, with an empty profile and no way out to other hosts."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("Chromium with its driver is not installed: layout and console were not checked")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (
        "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-sync "
        "--disable-background-networking --disable-component-update --hide-scrollbars"
    ).split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    # The pages must stand without other hosts, and a test must not depend on them: they fail at once.
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    driver.set_page_load_timeout(60)
    driver.set_script_timeout(30)
    yield driver
    driver.quit()


@functools.cache
def serve(folder: Path) -> str:
    """Serve a folder on a free port of this machine for as long as the tests run; return its address."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def set_width(browser, width: int) -> None:
    # A window cannot be made narrower than about 500 px, so the screen is emulated. Not as "mobile":
    # a phone's viewport grows with what overflows it, and that would hide the fault.
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def severe(browser, address: str) -> Iterator[str]:
    """Console errors since the last look, without those of other hosts, which cannot be reached here."""
    for entry in browser.get_log("browser"):
        if entry["level"] == "SEVERE":
            hosts = re.findall(r"https?://[^\s/\"']+", entry["message"])
            if "net::ERR_" in entry["message"] and hosts and hosts[0] != address:
                continue
            yield entry["message"]


def page_faults(browser, address: str, page: str) -> list[str]:
    """What is wrong with one page at any of the widths."""
    found = []
    set_width(browser, WIDTHS[0])
    browser.get(f"{address}/{page}")
    for width in WIDTHS:
        set_width(browser, width)
        seen = browser.execute_async_script(MEASURE)
        if seen["sideways"] or seen["wide"]:
            found.append(f"{page} at {width} px: {seen['sideways']} px too wide; {', '.join(seen['wide'])}")
        found += [f"{page} at {width} px: no picture at {source}" for source in seen["missing"]]
    return found + [f"{page}: console: {message}" for message in severe(browser, address)]


@pytest.mark.browser
@pytest.mark.parametrize("page", toc_names())
def test_page_in_a_browser(site, browser, page):
    assert page_faults(browser, serve(site), f"{page}.html") == []


# The checks themselves: each must see the fault that is planted for it ------------------------------------

GOOD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="dot.svg"></head>
<body><article><h1 id="start">Start</h1><a href="other.html#there">a</a><img src="dot.svg" alt="A dot">{}
</article></body></html>"""
PLANTED = {
    "link": ('<a href="nowhere.html">x</a>', broken_links),
    "anchor": ('<a href="other.html#not-there">x</a>', broken_links),
    "own anchor": ('<a href="#not-there">x</a>', broken_links),
    "picture": ('<img src="gone.png" alt="Gone">', broken_links),
    "no alt": ('<img src="dot.svg">', mute_images),
    "path as alt": ('<img src="dot.svg" alt="../_images/1a2b.png">', mute_images),
    "glue": ("<p>r = {glue:text}`r`</p>", unrendered),
    "citation": ("<p>{cite:p}`someone`</p>", unrendered),
    "problem": ('<span class="problematic">x</span>', unrendered),
    "widget": ('<script type="application/vnd.jupyter.widget-view+json">{}</script>', unrendered),
    "error": ("<pre>Traceback (most recent call last)</pre>", unrendered),
}
PLANTED_IN_BROWSER = {
    "wide": ('<div style="width: 1000px">x</div>', "at 390 px"),
    "very wide": ('<div style="width: 2000px">x</div>', "at 1366 px"),
    "cut off": ('<p style="overflow: hidden"><img width="1000" src="dot.svg" alt="A dot">', "at 390 px"),
    "picture": ('<img src="gone.png" alt="Gone">', "no picture"),
    "lazy": ('<p style="height: 9000px"><img src="gone.png" alt="Gone" loading="lazy">', "no picture"),
    "script": ("<script>undefinedFunction()</script>", "console"),
    "own script": ('<script src="gone.js"></script>', "console"),
}
FINE_IN_BROWSER = {
    "own box": '<div style="overflow-x: auto"><table style="width: 2000px"><tr><td>x</table></div>',
    "other host": '<script src="https://cdn.example/x.js"></script>',
}


def small_site(folder: Path, body: str = "") -> Path:
    (folder / "page.html").write_text(GOOD.format(body), encoding="utf-8")
    (folder / "other.html").write_text('<p id="there">x</p>', encoding="utf-8")
    dot = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="9"/></svg>'
    (folder / "dot.svg").write_text(dot, encoding="utf-8")
    return folder


@pytest.mark.parametrize("check", [broken_links, mute_images, unrendered])
def test_checks_pass_a_good_page(tmp_path, check):
    assert check(small_site(tmp_path)) == []


@pytest.mark.parametrize("fault", PLANTED)
def test_checks_see_a_planted_fault(tmp_path, fault):
    body, check = PLANTED[fault]
    assert len(check(small_site(tmp_path, body))) == 1


@pytest.mark.parametrize(
    ("alt", "guard", "said", "missing"),
    [
        ("A dot", "", "", 0),
        ("A line", "", "", 1),
        ("A line", "if brain is not None:\n    ", "", 1),
        ("A line", "", OUT_OF_REACH, 1),
        ("A line", "if brain is not None:\n    ", OUT_OF_REACH.replace(" on ", "\non "), 0),
    ],
    ids=["shown", "lost", "lost without a word", "lost from a cell that needs no data", "excused"],
)
def test_lost_figure_is_seen_unless_its_data_are_out_of_reach(tmp_path, alt, guard, said, missing):
    cell = nbformat.v4.new_code_cell(f"{guard}plot()", metadata={"mystnb": {"image": {"alt": alt}}})
    site = small_site(tmp_path, f"<pre>The brain {said}.</pre>")
    assert len(missing_figures(site, "page", [cell])) == missing


@pytest.mark.browser
@pytest.mark.parametrize("fault", PLANTED_IN_BROWSER)
def test_browser_sees_a_planted_fault(tmp_path, browser, fault):
    body, expected = PLANTED_IN_BROWSER[fault]
    assert expected in "\n".join(page_faults(browser, serve(small_site(tmp_path, body)), "page.html"))


@pytest.mark.browser
@pytest.mark.parametrize("body", ["", *FINE_IN_BROWSER.values()], ids=["good", *FINE_IN_BROWSER])
def test_browser_passes_a_good_page(tmp_path, browser, body):
    assert page_faults(browser, serve(small_site(tmp_path, body)), "page.html") == []
