"""A picture of a compiled function: boxes are kernels, arrows are what they take from memory or registers (SVG text).

Begin at :func:`kernel_graph`. The layout is Sugiyama's: layers by the longest path, long arrows through empty
places in the layers between, order within a layer by the mean place of neighbours (Sugiyama, Tagawa, Toda 1981).
"""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jitney._api import tables

if TYPE_CHECKING:
    from jitney._api.inspecting import Cost
    from jitney._compiler.looking import BufferUse, Kernel

_WIDTH, _PILL, _LANE = 224, 148, 14  # of a box, of an array, of an arrow that passes a layer
_GAP_X, _GAP_Y = 26, 54
_ABREAST = 4  # boxes in a layer
MOST = 60  # kernels that are drawn, the dearest


@dataclass
class _Node:
    width: float
    height: float
    kernel: Kernel | None = None
    text: str = ""
    layer: int = 0
    x: float = 0.0
    y: float = 0.0
    near: list[_Node] = field(default_factory=list)


@dataclass
class _Arrow:
    path: list[_Node]
    label: str
    nbytes: int
    kernel: Kernel | None  # the reader, or the writer of a result
    start: float = 0.0  # beside the middle of the box
    end: float = 0.0
    row: int = 0  # of the label


def kernel_graph(cost: Cost) -> str:
    """The picture as an ``<svg>`` element; empty where there is nothing to draw."""
    drawn = _drawn(cost)
    if not drawn:
        return ""
    nodes, arrows = _graph(drawn)
    layers = _layers(nodes, arrows)
    _order(layers)
    width, height = _place(layers)
    _spread(arrows)
    parts = [_arrow(a, cost) for a in arrows] + [_node(n, cost) for n in nodes]
    labels = [_label(a) for a in arrows]
    return (
        f'<svg class="graph" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'style="max-width:{width:.0f}px" role="img" aria-label="kernels and the arrays between them">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" class="tip"/></marker></defs>'
        + "".join(parts + labels)
        + "</svg>"
    )


def _drawn(cost: Cost) -> list[Kernel]:
    real = [k for k in cost.kernels if k.kind != "registers" or k.operations and (k.reads or k.writes)]
    dearest = sorted(real, key=cost.time, reverse=True)[:MOST]
    return sorted(dearest, key=lambda k: k.number)


def _graph(kernels: list[Kernel]) -> tuple[list[_Node], list[_Arrow]]:
    boxes = {k.number: _Node(_WIDTH, 56 + 15 * len(_operations(k)), k) for k in kernels}
    arrays: dict[str, _Node] = {}
    nodes = list(boxes.values())
    arrows: list[_Arrow] = []
    writers: dict[str, Kernel] = {}

    def array(b: BufferUse) -> _Node:
        if b.name not in arrays:
            arrays[b.name] = _Node(_PILL, 30, text=f"{b.name}  {b.dtype}[{b.size}]")
            nodes.append(arrays[b.name])
        return arrays[b.name]

    for k in kernels:
        box = boxes[k.number]
        for b in k.reads:
            if b.name in writers and writers[b.name] is not k:
                start = boxes[writers[b.name].number]
            elif b.kind in ("in", "const"):
                start = array(b)
            else:
                continue
            arrows.append(_Arrow([start, box], _size(b, start), b.nbytes, k))
        for number in k.needs:
            if number in boxes and number != k.number:
                arrows.append(_Arrow([boxes[number], box], "register", 8, k))
        writers.update({b.name: k for b in k.writes})
    for k in kernels:
        for b in k.writes:
            if b.kind == "out" and writers[b.name] is k:
                arrows.append(_Arrow([boxes[k.number], array(b)], tables.nbytes(b.nbytes), b.nbytes, k))
    return nodes, _joined(arrows)


def _size(b: BufferUse, start: _Node) -> str:
    text = tables.nbytes(b.nbytes)
    return text if start.kernel is None else f"{b.name} · {text}"


def _joined(arrows: list[_Arrow]) -> list[_Arrow]:
    """One arrow for all that goes from one box to another."""
    found: dict[tuple[int, int], _Arrow] = {}
    count: dict[tuple[int, int], int] = {}
    for a in arrows:
        key = id(a.path[0]), id(a.path[1])
        if key in found:
            first, count[key] = found[key], count[key] + 1
            first.nbytes += a.nbytes
            first.label = f"{count[key]} arrays · {tables.nbytes(first.nbytes)}"
        else:
            found[key], count[key] = a, 1
    return list(found.values())


def _layers(nodes: list[_Node], arrows: list[_Arrow]) -> list[list[_Node]]:
    """Layers from the top; arrows get a place in each layer that they pass."""
    ahead: dict[int, list[_Node]] = {id(n): [] for n in nodes}
    for a in arrows:
        ahead[id(a.path[1])].append(a.path[0])
    inputs = [n for n in nodes if n.kernel is None and not ahead[id(n)]]
    inside = [n for n in nodes if n.kernel is not None]
    results = [n for n in nodes if n.kernel is None and ahead[id(n)]]
    used: dict[int, int] = {}
    for n in [*inside, *results]:  # kernels stand in the order in which they run
        layer = max((p.layer for p in ahead[id(n)] if p.kernel is not None), default=0) + 1
        while n.kernel is not None and used.get(layer, 0) >= _ABREAST:
            layer += 1
        used[layer] = used.get(layer, 0) + 1
        n.layer = layer
    for n in inputs:
        readers = [a.path[1].layer for a in arrows if a.path[0] is n]
        n.layer = min(readers, default=1) - 1
    layers: list[list[_Node]] = [[] for _ in range(max(n.layer for n in nodes) + 1)]
    for n in nodes:
        layers[n.layer].append(n)
    for a in arrows:
        first, last = a.path
        passed = [_Node(_LANE, 0, layer=layer) for layer in range(first.layer + 1, last.layer)]
        for n in passed:
            layers[n.layer].append(n)
        a.path = [first, *passed, last]
        for n, m in zip(a.path, a.path[1:], strict=False):
            n.near.append(m)
            m.near.append(n)
    return [layer for layer in layers if layer]


def _order(layers: list[list[_Node]]) -> None:
    """Few crossings: by the mean place of the neighbours in the layer before, down and up a few times."""
    for layer in layers:
        _pack(layer)
    for turn in range(6):
        down = turn % 2 == 0
        for layer in layers if down else layers[::-1]:
            sign = 1 if down else -1
            place = {id(n): [m.x for m in n.near if (n.layer - m.layer) * sign > 0] or [n.x] for n in layer}
            layer.sort(key=lambda n: sum(place[id(n)]) / len(place[id(n)]))
            _pack(layer)


def _pack(layer: list[_Node]) -> None:
    """Side by side, the middle at 0."""
    x = -(sum(n.width for n in layer) + _GAP_X * (len(layer) - 1)) / 2
    for n in layer:
        n.x = x + n.width / 2
        x += n.width + _GAP_X


def _place(layers: list[list[_Node]]) -> tuple[float, float]:
    left = min(n.x - n.width / 2 for layer in layers for n in layer) - 8
    right = max(n.x + n.width / 2 for layer in layers for n in layer) + 8
    y = 8.0
    for layer in layers:
        tallest = max(n.height for n in layer)
        for n in layer:
            n.x -= left
            n.y = y + (tallest - n.height) / 2
            if n.height == 0:
                n.y = y + tallest / 2
        y += tallest + _GAP_Y
    return right - left, y - _GAP_Y + 8


def _spread(arrows: list[_Arrow]) -> None:
    """Arrows leave and reach a box side by side, in the order in which they come."""
    leaving: dict[int, list[_Arrow]] = {}
    coming: dict[int, list[_Arrow]] = {}
    for a in arrows:
        leaving.setdefault(id(a.path[0]), []).append(a)
        coming.setdefault(id(a.path[-1]), []).append(a)
    for group in leaving.values():
        for a, offset in _offsets(group, 1, 0):
            a.start = offset
    for group in coming.values():
        for n, (a, offset) in enumerate(_offsets(group, -2, -1)):
            a.end, a.row = offset, n % 3 if len(group) > 1 else 1


def _offsets(group: list[_Arrow], neighbour: int, own: int) -> list[tuple[_Arrow, float]]:
    ordered = sorted(group, key=lambda a: a.path[neighbour].x)
    room = group[0].path[own].width * 0.8
    step = min(46.0, room / len(ordered))
    return [(a, step * (n - (len(ordered) - 1) / 2)) for n, a in enumerate(ordered)]


# -- drawing


def heat(share: float) -> float:
    """How strongly a share of the time is coloured, 0 to 1."""
    return round(0.85 * max(0.0, min(1.0, share)) ** 0.6, 3)


def _operations(k: Kernel) -> list[str]:
    lines = textwrap.wrap(", ".join(k.operations), 29) or ["-"]
    return lines if len(lines) <= 4 else [*lines[:3], lines[3][:27] + " …"]


def _node(n: _Node, cost: Cost) -> str:
    x, y = n.x - n.width / 2, n.y
    if n.kernel is None:
        return (
            f'<g class="array"><rect x="{x:.1f}" y="{y:.1f}" width="{n.width}" height="{n.height}" rx="15"/>'
            f'<text x="{n.x:.1f}" y="{y + 19:.1f}" text-anchor="middle">{html.escape(tables.shortened(n.text, 23))}</text></g>'
        )
    k, share = n.kernel, cost.share(n.kernel)
    shape = "×".join(map(str, k.shape))
    title = f"#{k.number} {k.kind}{' ∥' if k.parallel else ''}"
    lines = "".join(
        f'<text class="ops" x="{x + 12:.1f}" y="{y + 38 + 15 * i:.1f}">{html.escape(line)}</text>'
        for i, line in enumerate(_operations(k))
    )
    return (
        f'<g class="kernel" data-kernel="{k.number}"><title>{html.escape(", ".join(k.operations))}</title>'
        f'<rect class="back" x="{x:.1f}" y="{y:.1f}" width="{n.width}" height="{n.height}" rx="8"/>'
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{n.width}" height="{n.height}" rx="8" '
        f'style="fill:rgb(var(--heat) / {heat(share)});stroke-width:{1 + 2 * share:.2f}"/>'
        f'<text class="title" x="{x + 12:.1f}" y="{y + 20:.1f}">{html.escape(title)}</text>'
        f'<text class="shape" x="{x + n.width - 12:.1f}" y="{y + 20:.1f}" text-anchor="end">{shape}</text>{lines}'
        f'<text class="time" x="{x + n.width - 12:.1f}" y="{y + n.height - 9:.1f}" text-anchor="end">'
        f"{tables.seconds(cost.time(k))} · {tables.percent(share)}</text></g>"
    )


def _ends(a: _Arrow) -> list[tuple[float, float]]:
    first, *passed, last = a.path
    return [
        (first.x + a.start, first.y + first.height),
        *((n.x, n.y) for n in passed),
        (last.x + a.end, last.y - 1),
    ]


def _arrow(a: _Arrow, cost: Cost) -> str:
    points = _ends(a)
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        middle = (y0 + y1) / 2
        path += f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
    width = 1.0 + 0.45 * max(0, len(str(a.nbytes)) - 2)
    share = heat(cost.share(a.kernel)) if a.kernel is not None else 0.0
    return (
        f'<path class="arrow" d="{path}" style="stroke-width:{width:.2f}"/>'
        f'<path class="arrow hot" d="{path}" style="stroke-width:{width:.2f};stroke:rgb(var(--heat) / {share})" '
        'marker-end="url(#tip)"/>'
    )


def _label(a: _Arrow) -> str:
    points = _ends(a)
    (x0, y0), (x1, y1) = points[-2], points[-1]
    part = max(0.3, 1 - (39, 27, 15)[a.row] / (y1 - y0))  # of the way, along the curve
    bend = part * part * (3 - 2 * part)
    x, y = x0 + bend * (x1 - x0), y0 + part * (y1 - y0) + 2
    return f'<text class="size" x="{x + 5:.1f}" y="{y:.1f}">{html.escape(a.label)}</text>'
