"""The pages as they are kept in git: notebooks without outputs, prose without typed results, one address."""

from __future__ import annotations

import ast
import importlib.util
import re
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import ROOT, toc_names
from IPython.core.inputtransformer2 import TransformerManager

import neuroconverge

MAX_LINES = 25  # of one code cell: one idea a cell

# The first code cell of every notebook. Colab opens a notebook without its repository, so the cell names it;
# in Binder and at home the package is installed already.
COLAB_CELL = """\
import sys

if "google.colab" in sys.modules:
    %pip install -q "neuroconverge[ieeg] @ git+{address}@{branch}\""""

# What each chapter about a finding must hold, whatever else it has.
CHAPTER_PARTS = (
    "What you will be able to do",
    "Run time",
    "planted",
    "Verdict",
    "What could be wrong",
    "Exercises",
)
# Paths of one machine, and hosts of package registries (in pieces, so that this file names none).
FORBIDDEN = re.compile(r"/(work|tmp|root|home|Users)/|\b(pypi|pythonhosted|npmjs|anaconda)\.(org|com|io)\b")
# A result in prose: r = .21, p < .05, $\rho = 0.3$. Ours come from the run; others' need a source.
TYPED_RESULT = re.compile(r"(?<![\w.])\\?(r|rho|ρ|tau|τ|p|d|R²|R\^2)\s*\$?\s*[=<>≈]\s*\$?\s*[-−]?0?\.\d")
WITH_SOURCE = re.compile(r"\{cite|paper|report|publish|doi|chance|plant|alpha", re.IGNORECASE)


def page_file(name: str) -> Path:
    """The notebook or Markdown file of a page; the bare name where there is neither."""
    paths = [ROOT / f"{name}.ipynb", ROOT / f"{name}.md"]
    return next((path for path in paths if path.is_file()), ROOT / name)


PAGES = [page_file(name) for name in toc_names()]
NOTEBOOKS = [path for path in PAGES if path.suffix == ".ipynb"]
CHAPTERS = [path for path in NOTEBOOKS if path.parent.name in ("language", "concepts", "convergence")]


def each(paths: list[Path]):
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.relative_to(ROOT).as_posix())


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def without_code(text: str) -> str:
    """Markdown without its code fences; the text inside directives such as notes stays."""
    kept, fences, in_code = [], [], False
    for line in text.splitlines():
        marks, info = re.match(r"\s*(`{3,}|~{3,}|:{3,}|)(.*)", line).groups()
        if fences and marks and not info.strip() and marks.startswith(fences[-1]):
            fences.pop()
            in_code = False
        elif marks and not in_code:
            fences.append(marks)
            directive = info.strip().startswith("{") and not info.strip().startswith("{code")
            in_code = marks[0] != ":" and not directive
        elif not in_code:
            kept.append(line)
    return "\n".join(kept)


def prose(path: Path) -> str:
    """What a page says, without its code."""
    if path.suffix != ".ipynb":
        return without_code(path.read_text(encoding="utf-8"))
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(without_code(cell.source) for cell in cells if cell.cell_type == "markdown")


def headings(text: str) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#{1,6}) ", text, re.MULTILINE)]


def typed_results(text: str) -> list[str]:
    """Lines that give a result and name neither a source nor say that it is chance or planted."""
    return [line for line in text.splitlines() if TYPED_RESULT.search(line) and not WITH_SOURCE.search(line)]


def draws(source: str) -> bool:
    """Whether a cell makes a figure."""
    return bool(re.search(r"\b(nc\.)?plotting\.\w+\(|\bplt\.\w+\(", source))


def alt_text(cell: nbformat.NotebookNode) -> str:
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").strip()


# The pages ------------------------------------------------------------------------------------------------


def test_every_page_exists():
    assert [path.relative_to(ROOT).as_posix() for path in PAGES if not path.is_file()] == []


def test_no_page_is_left_out():
    kept = {path for suffix in ("md", "ipynb") for path in (ROOT / "book").rglob(f"*.{suffix}")} - set(PAGES)
    names = (path.relative_to(ROOT).as_posix() for path in kept if ".ipynb_checkpoints" not in path.parts)
    assert sorted(names) == []


@each(NOTEBOOKS)
def test_notebook_is_valid_and_has_no_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    for cell in code_cells(path):
        assert not cell.outputs and cell.execution_count is None, f"strip the outputs of {cell.source[:60]!r}"


@each(NOTEBOOKS)
def test_cells_are_short_and_define_nothing(path):
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= MAX_LINES, f"too long: {cell.source[:60]!r}"
        tree = ast.parse(TransformerManager().transform_cell(cell.source))
        defined = [n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        assert defined == [], "helpers belong in the package"


@each(NOTEBOOKS)
def test_figures_have_alt_text(path):
    missing = [cell.source for cell in code_cells(path) if draws(cell.source) and len(alt_text(cell)) < 20]
    assert missing == [], 'say what the figure shows in the metadata: {"mystnb": {"image": {"alt": "…"}}}'


@each(NOTEBOOKS)
def test_first_cell_installs_in_colab_only(path, config):
    first = code_cells(path)[0]
    repository = config["repository"]
    assert first.source == COLAB_CELL.format(address=repository["url"], branch=repository["branch"])
    assert {"hide-cell", "remove-cell"} & set(first.metadata.get("tags", []))


@each([path for path in PAGES if path.is_file()])
def test_page_has_one_title_and_no_jumps(path):
    levels = headings(prose(path))
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:], strict=False)), levels


@each([path for path in PAGES if path.is_file()])
def test_no_result_is_typed_by_hand(path):
    assert typed_results(prose(path)) == [], "glue it from the run, or name its source on the same line"


@each(CHAPTERS)
def test_chapter_has_its_parts(path):
    text = prose(path).lower()
    assert [part for part in CHAPTER_PARTS if part.lower() not in text] == []


# The frame ------------------------------------------------------------------------------------------------


def frame_files() -> list[Path]:
    names = (
        "README.md _config.yml _toc.yml Makefile CITATION.cff environment.yml pyproject.toml constraints.txt"
    )
    found = [*map(ROOT.joinpath, names.split()), *(ROOT / ".github").rglob("*.yml"), *PAGES]
    return [path for path in found if path.is_file()]


@each(frame_files())
def test_names_no_machine_and_no_registry(path):
    # Read as text: a path in an output or a metadata field is as bad as one in a cell.
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line.strip() for line in lines if FORBIDDEN.search(line)] == []


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == neuroconverge.__version__
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    torch = re.search(r"^torch==(\S+)$", constraints, re.MULTILINE).group(1)
    assert "+" not in torch, "a local build exists on one index only"
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert f"pytorch-cpu={torch}" in environment["dependencies"]


def test_build_is_strict(config):
    assert config["execute"]["timeout"] > 0 and config["execute"]["allow_errors"] is False
    assert config["sphinx"]["config"]["nb_execution_raise_on_error"] is True
    assert "suppress_warnings" not in config["sphinx"]["config"]


def test_address_is_set_everywhere(tmp_path):
    spec = importlib.util.spec_from_file_location("set_address", ROOT / "tools" / "set_address.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "_config.yml", tmp_path)
    old = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    cell = nbformat.v4.new_code_cell(COLAB_CELL.format(address=old, branch="main"))
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "book" / "page.ipynb")

    new = "https://github.com/someone/a.book"
    assert len(tool.set_address(tmp_path, f"{new}.git/")) == 2
    assert yaml.safe_load((tmp_path / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"] == new
    assert f"git+{new}@main" in nbformat.read(tmp_path / "book" / "page.ipynb", as_version=4).cells[0].source
    assert tool.set_address(tmp_path, new) == []
    with pytest.raises(ValueError, match="must look like"):
        tool.set_address(tmp_path, "github.com/someone")


def test_address_stands_nowhere_else(config):
    address = config["repository"]["url"]
    others = [path for path in frame_files() if path.suffix != ".ipynb" and path.name != "_config.yml"]
    assert [path.name for path in others if address in path.read_text(encoding="utf-8")] == []


# The checks themselves ------------------------------------------------------------------------------------


def test_code_is_no_prose():
    notes = "```{note}\nkept\n```\nkept\n````{tip}\n```\ncode\n```\nkept\n````\nkept\n"
    assert without_code(f"{notes}```python\n# no heading\n```\nkept").split() == ["kept"] * 5


RESULTS = ["r = .21", "($r = 0.21$)", "p < .05", "$p<0.05$", r"$\rho = -.3$", "ρ = .3", "R² ≈ 0.4"]
OTHERS = ["r = 3", "{glue:text}`r:.2f`", "version 0.21", "step = .5", "alpha = .05", "r is high"]


@pytest.mark.parametrize("line", RESULTS)
def test_typed_result_is_seen(line):
    assert typed_results(f"We find {line} here.") and not typed_results(f"The paper has {line}.")


@pytest.mark.parametrize("line", OTHERS)
def test_other_numbers_are_no_results(line):
    assert typed_results(line) == []


@pytest.mark.parametrize("text", ["/home/me/x", "/tmp/a.npy", "https://pypi." + "org/x"])
def test_forbidden_text_is_seen(text):
    assert FORBIDDEN.search(text) and not FORBIDDEN.search("a/homework/x, ../tmpfile, package index")
