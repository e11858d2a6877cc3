"""What the tests of the book share: where the repository is, its contents, its configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


def toc_names() -> list[str]:
    """The pages of the table of contents, in reading order, without their suffix."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


@pytest.fixture(scope="session")
def config() -> dict:
    """The configuration of the book."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
