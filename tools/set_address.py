"""Set the public address of the repository: make address URL=https://github.com/you/neuroconverge

The address stands in _config.yml. Colab opens a single notebook without its repository, so the first code
cell of every notebook repeats it: this script changes both, and tests/test_book.py compares them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CONFIGURED = re.compile(r"^repository:\n(?: .*\n)*? +url: *(\S+)", re.MULTILINE)
ADDRESS = re.compile(r"https://[\w.-]+/[\w.-]+/[\w.-]+")


def set_address(root: Path, new: str) -> list[Path]:
    """Replace the address of ``root/_config.yml`` in it and in the book; return the files that changed."""
    new = new.strip().rstrip("/").removesuffix(".git")
    if not ADDRESS.fullmatch(new):
        raise ValueError(f"URL must look like https://github.com/you/neuroconverge; got {new!r}")
    config = root / "_config.yml"
    old = CONFIGURED.search(config.read_text(encoding="utf-8")).group(1)
    whole = re.compile(re.escape(old) + r"(?![\w-])")
    changed = []
    for path in [config, *sorted((root / "book").rglob("*.ipynb"))]:
        before = path.read_text(encoding="utf-8")
        after = whole.sub(lambda match: new, before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(path)
    return changed


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1]:
        sys.exit("Usage: make address URL=https://github.com/you/neuroconverge")
    try:
        for path in set_address(Path(__file__).resolve().parents[1], sys.argv[1]):
            print("set in", path)
    except ValueError as error:
        sys.exit(str(error))
