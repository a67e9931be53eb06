"""Inspections and profiles as pages: one file each, no network, light and dark."""

from __future__ import annotations

import difflib
import html
import linecache
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from jitney._api import tables
from jitney._api.pictures import MOST, heat, kernel_graph
from jitney._base.sources import Location

if TYPE_CHECKING:
    from jitney._api.inspecting import Inspection
    from jitney._api.profiling import profile
    from jitney._compiler.looking import Pass

_LONGEST = 300_000  # characters of a listing
_COMPARED = 1500  # lines of programs that are compared one by one

_STYLE = """
:root{color-scheme:light dark;--back:#fbfaf8;--panel:#fff;--ink:#1f2328;--soft:#687078;--line:#dfdcd6;--heat:226 88 34;
--add:46 140 80;--del:200 50 60;--box:#f4f2ee;--accent:#2f62b5}
@media (prefers-color-scheme:dark){:root{--back:#14171b;--panel:#1b1f25;--ink:#e4e6e9;--soft:#949ca6;--line:#343a42;
--heat:240 110 50;--add:70 180 110;--del:235 90 100;--box:#232830;--accent:#7ea6ea}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Roboto,sans-serif}
main{max-width:1500px;margin:0 auto;padding:28px 28px 60px}
h1{font-size:26px;font-weight:650;margin:0 0 2px}h2{font-size:17px;font-weight:650;margin:0 0 12px}
.soft{color:var(--soft)}code,pre,.code{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
.cards{display:flex;flex-wrap:wrap;gap:12px;margin:18px 0 22px}
.card{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:10px 18px;min-width:130px}
.card b{display:block;font-size:20px;font-weight:650;font-variant-numeric:tabular-nums}.card span{color:var(--soft);font-size:13px}
section,details{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin-bottom:16px}
.pair{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:16px;align-items:start}
@media (max-width:1050px){.pair{grid-template-columns:minmax(0,1fr)}}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th{font-weight:550;color:var(--soft);text-align:left;font-size:13px}
th,td{padding:4px 10px;border-bottom:1px solid var(--line);white-space:nowrap}tr:last-child td{border-bottom:0}
.n{text-align:right}.wrap{white-space:normal;min-width:160px}
.source{border:0;font-size:13px}.source td{border:0;padding:1px 8px;line-height:1.55}.source .code{white-space:pre}
.source .at{opacity:.6;text-align:right;user-select:none}.source .t{text-align:right;width:1%}
.source .gap td{color:var(--soft);padding:0 8px}.file{color:var(--soft);font-size:13px;margin:14px 0 4px}
.lit td,.lit{outline:0;box-shadow:inset 0 -2px 0 var(--accent)}
summary{cursor:pointer;font-weight:650;font-size:16px}summary .soft{font-weight:400;font-size:14px}
details details{border:0;border-top:1px solid var(--line);border-radius:0;margin:0;padding:8px 0}
details details summary{font-size:14px;font-weight:550}
pre{font-size:12.5px;line-height:1.45;overflow:auto;max-height:560px;margin:10px 0 0;padding:12px;background:var(--box);border-radius:8px}
.add{background:rgb(var(--add) / .18)}.del{background:rgb(var(--del) / .18)}pre .add,pre .del,pre .same{display:block}
svg.graph{display:block;width:100%;height:auto;margin:0 auto}
svg text{fill:var(--ink);font:12.5px system-ui,"Segoe UI",Roboto,sans-serif}svg .title{font-weight:650}
svg .shape{fill-opacity:.65;font-size:11.5px}svg .size{fill:var(--soft);font-size:11.5px}svg .size{paint-order:stroke;stroke:var(--panel);stroke-width:4px}
svg .ops{font:11.5px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}svg .time{font-variant-numeric:tabular-nums;font-weight:550}
svg .kernel rect{stroke:rgb(var(--heat))}svg .kernel .back{fill:var(--panel);stroke:none}
svg .kernel.lit rect{stroke:var(--accent);stroke-width:3px}svg .array rect{fill:var(--box);stroke:var(--line)}
svg .array text{font:11.5px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace}
svg .arrow{fill:none;stroke:var(--line)}svg .tip{fill:var(--soft)}
"""

# Pointing at a kernel marks its lines, and pointing at a line its kernels.
_SCRIPT = """
document.querySelectorAll("[data-kernel]").forEach(function (e) {
  function mark(on) {
    e.dataset.kernel.split(" ").forEach(function (k) {
      document.querySelectorAll('[data-kernel~="' + k + '"]').forEach(function (o) { o.classList.toggle("lit", on); });
    });
  }
  e.addEventListener("mouseenter", function () { mark(true); });
  e.addEventListener("mouseleave", function () { mark(false); });
});
"""


def page(title: str, body: str) -> str:
    """A whole page."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><main>{body}</main>"
        f"<script>{_SCRIPT}</script></body></html>\n"
    )


def framed(text: str) -> str:
    """A page inside of another one, such as a notebook, whose styles it does not touch."""
    return (
        '<iframe style="width:100%;height:640px;border:0;border-radius:8px" sandbox="allow-scripts" '
        f'srcdoc="{html.escape(text, quote=True)}"></iframe>'
    )


def inspection_page(seen: Inspection) -> str:
    cost, memory = seen.cost, seen.memory
    time = cost.seconds
    how = f"median of {seen.runs}" if seen.runs > 1 else "one run" if seen.runs else "predicted"
    top = cards(
        [
            (tables.seconds(time), f"a run ({how})"),
            (str(sum(k.kind != "registers" for k in cost.kernels)), "kernels"),
            (tables.per_second(cost["flops"] + cost["transcendentals"], time), "GFLOP/s"),
            (tables.per_second(cost["bytes accessed"], time), "GB/s loaded and stored"),
            (tables.nbytes(memory.arguments), "arguments"),
            (tables.nbytes(memory.outputs), "results"),
            (tables.nbytes(memory.scratch), "temporary memory"),
            (tables.nbytes(memory.constants), "constants"),
        ]
    )
    picture, count = kernel_graph(cost), sum(k.kind != "registers" for k in cost.kernels)
    if count > MOST:
        picture += f'<p class="soft">These are the {MOST} dearest of {count}.</p>'
    numbers = {line: [k.number for k in cost.kernels if line in k.lines] for line in cost.lines}
    code = source({line: (c.seconds, c.share) for line, c in cost.lines.items()}, numbers)
    body = [
        f'<h1>{_escape(seen.name)}</h1><div class="soft">what it was compiled to, and where its time goes</div>{top}',
        '<div class="pair">',
        f'<section><h2>Kernels</h2><div class="scroll">{picture or "Nothing is computed."}</div></section>',
        f"<section><h2>Your code</h2>{code or 'No line of it computes anything.'}</section></div>",
        f'<section><h2>Costs</h2><div class="scroll">{_kernel_table(seen)}</div></section>',
        _passes(seen.passes),
        _listing("Program", "as it was traced", str(seen.jaxpr)),
        _listing("Loops", "what the compiler made of it", seen.loops),
        _listing("LLVM", "ahead of LLVM's own passes", seen.llvm),
        _listing("Assembly", "for this processor", seen.asm),
    ]
    return page(f"{seen.name} – jitney", "".join(body))


def profile_page(p: profile) -> str:
    """A profile: totals, source with times, functions."""
    from jitney._api.profiling import FUNCTION_HEAD, function_row

    totals = [(tables.seconds(p.wall), "in all"), *((tables.seconds(t), what) for what, t in p.totals())]
    code = source({t.location: (t.seconds, p.share(t.seconds)) for t in p.lines})
    rows = [
        [*row[-1:], *row[:-1], tables.percent(p.share(f.seconds))]
        for f in p.functions
        for row in [function_row(f)]
    ]
    head = [FUNCTION_HEAD[-1], *FUNCTION_HEAD[:-1], "share"]
    table = grid(head, rows, [p.share(f.seconds) for f in p.functions])
    body = [
        f'<h1>Profile</h1><div class="soft">where the time of a block went</div>{cards(totals)}',
        f"<section><h2>Your code</h2>{code or 'No line of it called jitney.'}</section>",
        f'<section><h2>Compiled functions</h2><div class="scroll">{table}</div></section>' if rows else "",
    ]
    return page("Profile – jitney", "".join(body))


def cards(items: Iterable[tuple[str, str]]) -> str:
    """Numbers with names."""
    inside = "".join(
        f'<div class="card"><b>{_escape(n)}</b><span>{_escape(w)}</span></div>' for n, w in items
    )
    return f'<div class="cards">{inside}</div>'


def grid(head: Sequence[str], rows: Iterable[Sequence[str]], shares: Sequence[float]) -> str:
    """A table whose columns are numbers but for names in brackets of ``head``; rows are warm by their share."""
    names = [h.strip("[]") for h in head]
    kinds = ["wrap" if h.startswith("[") else "n" for h in head]
    line = "".join(f'<th class="{k}">{_escape(h)}</th>' for h, k in zip(names, kinds, strict=True))
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{k}"'
            + (f' style="background:rgb(var(--heat) / {heat(share)})"' if i == len(row) - 1 else "")
            + f">{_escape(x)}</td>"
            for i, (x, k) in enumerate(zip(row, kinds, strict=True))
        )
        + "</tr>"
        for row, share in zip(rows, shares, strict=True)
    )
    return f"<table><thead><tr>{line}</tr></thead><tbody>{body}</tbody></table>"


def _kernel_table(seen: Inspection) -> str:
    cost = seen.cost
    head = [
        "#",
        "[kernel]",
        "[computes]",
        "[over]",
        "flop",
        "bytes",
        "GFLOP/s",
        "GB/s",
        "predicted",
        "measured",
        "share",
    ]
    rows = [
        [
            str(k.number),
            k.kind + (" ∥" if k.parallel else ""),
            ", ".join(k.operations) or "-",
            "×".join(map(str, k.shape)) or "-",
            f"{k.flops + k.transcendentals:,.0f}",
            f"{k.bytes:,.0f}",
            tables.per_second(k.flops + k.transcendentals, cost.time(k)),
            tables.per_second(k.bytes, cost.time(k)),
            tables.seconds(k.predicted),
            tables.seconds(k.measured),
            tables.percent(cost.share(k)),
        ]
        for k in cost.kernels
    ]
    return grid(head, rows, [cost.share(k) for k in cost.kernels])


# -- source


def source(
    lines: Mapping[Location, tuple[float, float]], kernels: Mapping[Location, Sequence[int]] | None = None
) -> str:
    """The files around ``lines`` (seconds, share), with the time of each line."""
    files: dict[str, list[Location]] = {}
    for line in lines:
        files.setdefault(line.file, []).append(line)
    return "".join(_file(name, places, lines, kernels or {}) for name, places in files.items())


def _file(
    name: str,
    places: list[Location],
    lines: Mapping[Location, tuple[float, float]],
    kernels: Mapping[Location, Sequence[int]],
) -> str:
    text = linecache.getlines(name)
    found: dict[int, tuple[float, float, set[int]]] = {}
    for place in places:
        time, share, numbers = found.get(place.line, (0.0, 0.0, set()))
        seconds, part = lines[place]
        found[place.line] = time + seconds, share + part, numbers | set(kernels.get(place, ()))
    shown = sorted(
        {n for at in found for n in range(max(1, at - 3), min(len(text), at + 3) + 1)} | set(found)
    )
    rows, before = [], 0
    for number in shown:
        if before and number > before + 1:
            rows.append('<tr class="gap"><td></td><td></td><td>⋮</td></tr>')
        before = number
        code = text[number - 1].rstrip("\n") if number <= len(text) else ""
        rows.append(_line(number, code, found.get(number)))
    return (
        f'<div class="file">{_escape(name)}</div><div class="scroll"><table class="source"><tbody>'
        + "".join(rows)
        + "</tbody></table></div>"
    )


def _line(number: int, code: str, cost: tuple[float, float, set[int]] | None) -> str:
    if cost is None:
        return (
            f'<tr><td class="t"></td><td class="at">{number}</td><td class="code">{_escape(code)}</td></tr>'
        )
    time, share, kernels = cost
    marks = f' data-kernel="{" ".join(map(str, sorted(kernels)))}"' if kernels else ""
    return (
        f'<tr{marks} style="background:rgb(var(--heat) / {heat(share)})"><td class="t">{tables.seconds(time)} · '
        f'{tables.percent(share)}</td><td class="at">{number}</td><td class="code">{_escape(code)}</td></tr>'
    )


# -- texts


def _passes(passes: Sequence[Pass]) -> str:
    changed = [p for p in passes if p.changed]
    inside = "".join(
        f"<details><summary>{_escape(p.name)}</summary><pre>{_difference(p)}</pre></details>" for p in changed
    )
    idle = ", ".join(p.name for p in passes if not p.changed)
    return (
        f'<details><summary>Passes <span class="soft">{len(changed)} of {len(passes)} changed something</span></summary>'
        f"{inside}<p class='soft'>Nothing to do for: {_escape(idle) or '-'}</p></details>"
    )


def _difference(p: Pass) -> str:
    """Before and after as removed and added lines, with some of the lines around."""
    if not p.before or p.before.lstrip()[:1] != p.after.lstrip()[:1]:  # another language: nothing in common
        return _escape(_limited(p.after))
    if max(p.before.count("\n"), p.after.count("\n")) > _COMPARED:
        return _escape(_limited(p.after))
    found = []
    for line in difflib.unified_diff(p.before.splitlines(), p.after.splitlines(), lineterm="", n=3):
        if line.startswith(("---", "+++")):
            continue
        kind = {"+": "add", "-": "del"}.get(line[:1], "same")
        found.append(f'<span class="{kind}">{_escape(line) or " "}</span>')
    return "".join(found)


def _listing(title: str, what: str, text: str) -> str:
    return (
        f'<details><summary>{title} <span class="soft">{what}</span></summary>'
        f"<pre>{_escape(_limited(text))}</pre></details>"
    )


def _limited(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return text[:_LONGEST] + f"\n… and {len(text) - _LONGEST:,} characters more"


def _escape(text: str) -> str:
    """Text for a page; characters that no page may hold become marks."""
    kept = "".join(c if c >= " " or c in "\n\t" else "�" for c in text)
    return html.escape(kept)
