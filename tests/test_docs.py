"""Pages of docs/: every example does what the page says, and JAX does what is said of it."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).resolve().parent.parent / "docs").glob("*.md"))
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
BLOCK = re.compile(r"^```pycon(?P<jax> jax)?\n(?P<code>.*?)^```$", flags=re.M | re.S)


def _run(page: Path, jax: bool) -> None:
    """Run the page's blocks in order in one namespace; lines keep their numbers in the page."""
    text = page.read_text(encoding="utf-8")
    kept = ["\n"] * text.count("\n")
    for block in BLOCK.finditer(text):
        if bool(block["jax"]) == jax:
            first = text.count("\n", 0, block.start("code"))
            code = block["code"].splitlines(keepends=True)
            kept[first : first + len(code)] = code
    examples = doctest.DocTestParser().get_doctest("".join(kept), {}, page.stem, str(page), 0)
    complaints: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(examples, out=complaints.append)
    assert not complaints, "".join(complaints)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples(page: Path) -> None:
    _run(page, jax=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_jax_says(page: Path) -> None:
    _run(page, jax=True)
