"""What the tests share: the repository and its configuration, data that may be out of reach, threads, figures."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import pytest
import yaml

from neuroconverge import DataUnavailable

ROOT = Path(__file__).resolve().parents[1]


def toc_names() -> list[str]:
    """The pages of the table of contents, in reading order, without their suffix."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


@pytest.fixture(scope="session")
def config() -> dict:
    """The configuration of the book."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def have(load, *arguments):
    """What a loader gives; skips the test, and says which file, where its data can be neither found nor reached."""
    try:
        return load(*arguments)
    except DataUnavailable as error:
        pytest.skip(str(error).splitlines()[0].removesuffix(" Tried:"))


def texts(figure) -> str:
    """All that is written in a figure."""
    return " ".join(text.get_text() for text in figure.findobj(plt.Text))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def one_thread():
    """Two threads on cores that other tests share wait for each other, and take five times as long."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spans(ax) -> list[tuple[float, float]]:
    """Both ends of every level bar of two points: the intervals that ``interval_rows`` draws."""
    pairs = [line.get_xydata() for line in ax.lines if len(line.get_xdata()) == 2]
    return [(ends[0, 0], ends[1, 0]) for ends in pairs if ends[0, 1] == ends[1, 1]]
