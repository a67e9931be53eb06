"""The tour as one HTML file: prose, code, and under each cell what it produced.

Begin reading at `write_page`. No template engine and no network: images are embedded, the fonts are
the reader's own, and the colours follow the reader's light or dark setting.
"""

from __future__ import annotations

import base64
import html
import io
import keyword
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from report import Event, Tour

COLUMNS = ["NumPy", "eager", "first call", "compiled", "over NumPy", "over eager"]


@dataclass
class Cell:
    """One `# %%` cell of the script: its kind, what to call it if folded, its text and its lines."""

    kind: str
    label: str
    text: str
    first: int
    last: int


def read_cells(source: str) -> list[Cell]:
    """Cut a percent-format script into cells, leaving out its leading notebook metadata."""
    lines = Path(source).read_text(encoding="utf-8").splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("# %%")]
    cells = []
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        kind = "markdown" if "[markdown]" in lines[start] else "code"
        body = lines[start + 1 : stop]
        if kind == "markdown":
            body = [line.removeprefix("#").removeprefix(" ") for line in body]
        # A folded cell names what it hides: `# %% plotting code tags=["hide-input"]`.
        folded = "hide-input" in lines[start]
        label = lines[start].removeprefix("# %%").partition("tags=")[0].strip() if folded else ""
        cells.append(Cell(kind, label, "\n".join(body).strip("\n"), start + 1, stop))
    return cells


# -- markdown: the small part of it that the tour uses -------------------------------------------


def inline(text: str) -> str:
    """Code spans, bold, italics and links. `<sub>` and `<sup>` pass through as they are."""
    spans: list[str] = []

    def keep(match: re.Match[str]) -> str:
        spans.append(f"<code>{html.escape(match[1])}</code>")
        return f"\0{len(spans) - 1}\0"

    text = re.sub(r"`([^`]+)`", keep, text)
    text = html.escape(text, quote=False)
    text = re.sub(r"&lt;(/?su[bp])&gt;", r"<\1>", text)
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
    text = re.sub(r"\*(.+?)\*", r"<em>\1</em>", text)
    text = re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r'<a href="\2">\1</a>', text)
    return re.sub(r"\0(\d+)\0", lambda match: spans[int(match[1])], text)


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def markdown(text: str) -> str:
    """Headings, paragraphs and lists to HTML."""
    out = []
    for block in re.split(r"\n\s*\n", text.strip()):
        if match := re.match(r"(#+) (.*)", block):
            level = len(match[1])
            out.append(f'<h{level} id="{slug(match[2])}">{inline(match[2])}</h{level}>')
        elif re.match(r"(- |\d+\. )", block):
            tag = "ul" if block.startswith("- ") else "ol"
            items = re.split(r"^(?:- |\d+\. )", block, flags=re.M)[1:]
            rows = "".join(f"<li>{inline(' '.join(item.split()))}</li>" for item in items)
            out.append(f"<{tag}>{rows}</{tag}>")
        else:
            out.append(f"<p>{inline(' '.join(block.split()))}</p>")
    return "\n".join(out)


# -- Python code in colour -----------------------------------------------------------------------


def colour_of(token: tokenize.TokenInfo, previous: str) -> str | None:
    if token.type == tokenize.COMMENT:
        return "c"
    if token.type == tokenize.STRING or tokenize.tok_name[token.type].startswith("FSTRING"):
        return "s"
    if token.type == tokenize.NUMBER:
        return "n"
    if token.type == tokenize.NAME and keyword.iskeyword(token.string):
        return "k"
    if token.type == tokenize.NAME and previous in ("def", "class"):
        return "d"
    if token.type == tokenize.OP and token.string == "@":
        return "k"
    return None


def highlight(code: str) -> str:
    """Code as HTML with one span per keyword, string, number, comment and defined name."""
    lines = code.splitlines(keepends=True)
    begins = [0]
    for line in lines:
        begins.append(begins[-1] + len(line))
    out, at, previous = [], 0, ""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        name = colour_of(token, previous)
        previous = token.string or previous
        if name is None:
            continue
        start = begins[token.start[0] - 1] + token.start[1]
        stop = begins[token.end[0] - 1] + token.end[1]
        out.append(html.escape(code[at:start], quote=False))
        out.append(f'<span class="{name}">{html.escape(code[start:stop], quote=False)}</span>')
        at = stop
    out.append(html.escape(code[at:], quote=False))
    return "".join(out)


# -- what a cell produced ------------------------------------------------------------------------


def show_event(event: Event) -> str:
    payload = event.payload
    if event.kind == "figure":
        return figure(*payload)
    if event.kind == "error":
        return f'<pre class="error">{html.escape(payload.rstrip(), quote=False)}</pre>'
    if event.kind == "race":
        return race(payload)
    if event.kind == "check":
        return check(payload)
    return f'<pre class="said">{html.escape(payload, quote=False)}</pre>'


def figure(path: Path, caption: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    alt = html.escape(re.sub(r"<[^>]+>", "", caption))
    return (
        f'<figure><img alt="{alt}" src="data:image/png;base64,{data}">'
        f"<figcaption>{inline(caption)}</figcaption></figure>"
    )


def race(result: Any) -> str:
    shown = [
        f"<span><i>{name}</i> {cell}</span>"
        for name, cell in zip(COLUMNS, result.cells(), strict=True)
        if cell
    ]
    return f'<div class="race"><b>{html.escape(result.case)}</b>{"".join(shown)}</div>'


def check(result: Any) -> str:
    mark = "✓" if result.held else "✗"
    detail = f" <small>{html.escape(result.detail)}</small>" if result.detail else ""
    style = "held" if result.held else "failed"
    return f'<div class="check {style}"><b>{mark}</b> {html.escape(result.claim)}{detail}</div>'


def show_cells(tour: Tour) -> Iterator[str]:
    """Each cell of the script followed by its events; without a script, the events alone."""
    if tour.source is None:
        yield from map(show_event, tour.events)
        return
    for cell in read_cells(tour.source):
        if cell.kind == "markdown":
            yield markdown(cell.text)
            continue
        if not cell.text.strip():
            continue
        code = f'<pre class="code"><code>{highlight(cell.text)}</code></pre>'
        if cell.label:
            code = f"<details><summary>{cell.label}</summary>{code}</details>"
        made = [show_event(e) for e in tour.events if cell.first <= e.line <= cell.last]
        yield f'<section class="cell">{code}{"".join(made)}</section>'


# -- the page ------------------------------------------------------------------------------------


def timings(tour: Tour) -> str:
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    rows = "".join(
        f"<tr><th>{html.escape(r.case)}</th>"
        + "".join(f"<td>{cell or '<i>–</i>'}</td>" for cell in r.cells())
        + "</tr>"
        for r in tour.races
    )
    return (
        f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def contents(tour: Tour) -> str:
    if tour.source is None:
        return ""
    found = [
        match[1]
        for cell in read_cells(tour.source)
        if cell.kind == "markdown"
        for match in re.finditer(r"^## (.*)$", cell.text, flags=re.M)
    ]
    items = "".join(f'<li><a href="#{slug(name)}">{inline(name)}</a></li>' for name in found)
    return f'<nav aria-label="Contents"><ol>{items}</ol></nav>'


def write_page(tour: Tour, path: Path, took: float, machine: str) -> Path:
    """Write the report and return its path."""
    held = sum(check.held for check in tour.checks)
    verdict = f"{held} of {len(tour.checks)} checks held"
    checks = "".join(check(result) for result in tour.checks)
    cells = list(show_cells(tour))
    title = html.escape(tour.title)
    # The script opens with its own title and preface; the results go right below them.
    preface, rest = (cells[:1], cells[1:]) if tour.source else ([f"<h1>{title}</h1>"], cells)
    path.write_text(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{CSS}</style>
</head>
<body>
<header>{"".join(preface)}
<p class="byline">{html.escape(machine)} · {date.today().isoformat()} · {took:.0f} s ·
<span class="{"held" if held == len(tour.checks) else "failed"}">{verdict}</span></p>
</header>
<main>
<section class="summary">
{timings(tour)}
<p class="note">Best of several interleaved repeats, results waited for. <em>First call</em> is
tracing, compiling and running once. The last two columns say how many times faster compiled code is
than NumPy and than the same program called eagerly.</p>
<details><summary>all {len(tour.checks)} checks</summary>{checks}</details>
</section>
{contents(tour)}
{"".join(rest)}
</main>
</body>
</html>
""",
        encoding="utf-8",
    )
    return path


CSS = """
:root { --ink:#22272e; --soft:#5d6670; --page:#fdfcfa; --panel:#f4f2ed; --rule:#dcd8cf;
  --accent:#1f5f8b; --good:#3c7350; --bad:#a8324a; --warm:#b3651d; --string:#4a7c59;
  --number:#8a4f9e; --plate:#ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink:#d9dde2; --soft:#98a2ad; --page:#15181c;
  --panel:#1d2126; --rule:#343a42; --accent:#79b4de; --good:#7fbf95; --bad:#e58296; --warm:#dfa062;
  --string:#93c3a2; --number:#c5a0d6; --plate:#f3f2ef; } }
* { box-sizing:border-box }
html { scroll-behavior:smooth }
body { margin:0 auto; padding:3.5rem 1.4rem 6rem; max-width:52rem; background:var(--page);
  color:var(--ink); font:1.06rem/1.62 Charter,"Bitstream Charter","Source Serif 4",Georgia,serif;
  hyphens:manual; font-variant-numeric:lining-nums }
h1 { font-size:2.15rem; line-height:1.18; margin:0 0 .9rem; font-weight:600; letter-spacing:-.012em }
h2 { font-size:1.42rem; line-height:1.25; margin:3.6rem 0 .8rem; padding-top:1.1rem;
  border-top:1px solid var(--rule); font-weight:600 }
h3 { font-size:1.1rem; margin:2.2rem 0 .5rem; font-weight:600 }
p, ul, ol { margin:.75rem 0 } li { margin:.3rem 0 }
a { color:var(--accent); text-decoration-thickness:1px; text-underline-offset:.15em }
sub, sup { line-height:0; font-size:.72em }
code, pre, table, .race, .check, .byline, nav, summary, figcaption, .note {
  font-family:ui-monospace,"SF Mono","Cascadia Code",Menlo,Consolas,"DejaVu Sans Mono",monospace }
table, .race, .check, .byline, nav, summary, figcaption, .note {
  font-family:system-ui,-apple-system,"Segoe UI","Helvetica Neue","DejaVu Sans",sans-serif }
code { font-size:.86em; background:var(--panel); padding:.06em .2em; border-radius:3px }
pre { font-size:.76rem; line-height:1.5; margin:0; padding:.85rem 1rem; overflow-x:auto }
pre code { background:none; padding:0; font-size:inherit }
.cell { margin:1.3rem 0; border:1px solid var(--rule); border-radius:7px; overflow:hidden }
.cell > * + * { border-top:1px solid var(--rule) }
.code { background:var(--panel) }
.k { color:var(--accent) } .s { color:var(--string) } .n { color:var(--number) }
.c { color:var(--soft); font-style:italic } .d { font-weight:700 }
.error { color:var(--bad); border-left:3px solid var(--bad); white-space:pre-wrap }
.said { color:var(--soft) }
details > summary { cursor:pointer; font-size:.82rem; color:var(--soft); padding:.5rem 1rem }
.summary details { margin-top:.6rem; border:1px solid var(--rule); border-radius:7px }
figure { margin:0; padding:1.1rem; text-align:center }
figure img { max-width:100%; height:auto; background:var(--plate); border-radius:4px }
@media (prefers-color-scheme: dark) { figure img { filter:brightness(.92) } }
figcaption { font-size:.82rem; line-height:1.5; color:var(--soft); text-align:left; margin-top:.7rem }
.race, .check { font-size:.82rem; line-height:1.5; padding:.42rem 1rem }
.race { display:flex; flex-wrap:wrap; gap:.1rem 1.1rem } .race b { flex:1 1 100%; font-weight:600 }
.race i { font-style:normal; color:var(--soft) }
.check small { color:var(--soft); font-size:1em; margin-left:.4em }
.held b, .byline .held { color:var(--good) } .failed b, .byline .failed { color:var(--bad) }
.check.failed { background:color-mix(in srgb, var(--bad) 12%, transparent) }
.byline, .note { font-size:.82rem; color:var(--soft); line-height:1.5 }
header .byline { margin-top:1.4rem }
.scroll { overflow-x:auto; margin-top:2rem }
table { border-collapse:collapse; width:100%; font-size:.8rem; font-variant-numeric:tabular-nums }
th, td { padding:.38rem .55rem; text-align:right; white-space:nowrap;
  border-bottom:1px solid var(--rule) }
thead th { font-weight:500; color:var(--soft); border-bottom:1px solid var(--soft) }
tbody th { text-align:left; font-weight:500; padding-left:0; white-space:normal; min-width:11rem }
td:nth-child(5) { color:var(--accent); font-weight:600 } td i { color:var(--rule) }
nav { font-size:.86rem; margin-top:2.6rem }
nav ol { columns:2; column-gap:2rem; padding-left:1.3rem; margin:0 } nav li { margin:0 0 .4rem }
nav a { text-decoration:none }
@media (max-width:34rem) { nav ol { columns:1 } h1 { font-size:1.7rem } body { padding-top:2rem } }
@media print {
  :root { --ink:#000; --soft:#444; --page:#fff; --panel:#f6f6f6; --rule:#ccc; --accent:#1f4f74;
    --plate:#fff; --good:#2f6242; --bad:#8a2038; --string:#2f6242; --number:#5f3a70 }
  body { max-width:none; padding:0; font-size:10.5pt } nav, details:not([open]) { display:none }
  h2 { break-after:avoid } .cell { break-inside:auto } figure, .race, tr { break-inside:avoid }
  pre { white-space:pre-wrap; font-size:8pt } a { color:inherit; text-decoration:none }
  figure img { max-height:16cm; filter:none }
}
"""
