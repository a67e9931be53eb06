"""Every message that a wrong program gives, as text: ``tests/goldens/errors.txt`` is there to be read.

``JITNEY_UPDATE_GOLDENS=1 pytest tests/test_error_gallery.py`` rewrites it.
"""

from __future__ import annotations

import os
import re

import pytest

import jitney
from error_gallery import GOLDEN, GROUPS, PROGRAMS, programs, render_group, section_of

# What users have not written: frames of ours, names of classes and primitives that no public module has.
_PRIVATE = re.compile(
    r'File "jitney|jitney\._|StagedTracer|BatchTracer|JVPTracer|GradTracer|_jt_|\w_p\.bind|During handling'
)


@pytest.mark.parametrize("group", GROUPS)
def test_gallery(group: str) -> None:
    with jitney.config.temporarily("jitney_python_control_flow", group != "plain"):
        text = render_group(group)
    if os.environ.get("JITNEY_UPDATE_GOLDENS"):
        sections = {name: text if name == group else section_of(name) for name in GROUPS}
        GOLDEN.write_text("\n".join(filter(None, sections.values())))
    assert text.strip() == section_of(group).strip()
    assert not _PRIVATE.search(text), _PRIVATE.search(text)


def test_all_programs_are_shown() -> None:
    assert {path.stem for path in PROGRAMS.glob("*.txt")} == set(GROUPS)
    assert sum(len(programs(group)) for group in GROUPS) >= 120
