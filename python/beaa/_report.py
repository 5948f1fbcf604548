"""What a program costs and how precise it is, as text, as a table in a notebook, and as figures."""

from __future__ import annotations

import json
from html import escape

_COLUMNS = [
    ("layer", "layer"),
    ("entries", "weights"),
    ("squares", "squares"),
    ("relinearisations", "relinearisations"),
    ("rescales", "rescales"),
    ("limbs", "limbs"),
    ("log_scale", "log2 scale"),
    ("error", "error"),
    ("rounding", "rounding"),
    ("seconds", "ms, one core"),
    ("remark", "remark"),
]


class Report:
    """A program's report. `layers` and `totals` are the figures of `beaa inspect --json`."""

    def __init__(self, figures: str, text: str) -> None:
        parsed = json.loads(figures)
        self.model: str = parsed["model"]
        self.layers: list[dict] = parsed["layers"]
        self.totals: dict = parsed["totals"]
        self._figures, self._text = figures, text

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        t = self.totals
        return f"<beaa.Report of {self.model}: {len(self.layers)} layers, {t['degree']} slots, {t['security']} bits>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Report) and self._figures == other._figures

    def __hash__(self) -> int:
        return hash(self._figures)

    def __reduce__(self):
        return Report, (self._figures, self._text)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(title)}</th>" for _, title in _COLUMNS)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(_cell(name, layer[name]))}</td>" for name, _ in _COLUMNS) + "</tr>"
            for layer in self.layers
        )
        totals = "".join(
            f"<tr><th style='text-align:left'>{escape(title)}</th><td>{escape(value)}</td></tr>"
            for title, value in self._summary()
        )
        return (
            f"<table><caption>{escape(self.model)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f"<table>{totals}</table>"
        )

    def _summary(self) -> list[tuple[str, str]]:
        t = self.totals
        rows = [
            ("slots", f"{t['degree']}"),
            ("security", f"{t['security']} bits, log2 QP = {t['log_qp']:.1f}"),
            ("predicted, one core", f"{t['seconds'] * 1e3:.1f} ms for {t['images']} images"),
            ("memory of a run", f"{t['peak_bytes'] / 1e6:.1f} MB"),
            ("upload of an image", f"{t['input_bytes_per_image'] / 1e3:.2f} kB, all slots used"),
            ("evaluation key", f"{t['key_bytes'] / 1e3:.0f} kB"),
            ("output error", _cell("error", t["output_error"])),
        ]
        if t["agreement"] is not None:
            shares = [t["agreement"][share] * 100 for share in ("predicted", "at_least")]
            rows.append(("predicted agreement", "{:.3f} %, at least {:.3f} %".format(*shares)))
        return rows


def _cell(name: str, value) -> str:
    if value is None:
        return "unknown"
    if name in ("error", "rounding"):
        return f"{value:.1e}"
    if name == "seconds":
        return f"{value * 1e3:.2f}"
    if name == "log_scale":
        return f"{value:.1f}"
    return str(value)
