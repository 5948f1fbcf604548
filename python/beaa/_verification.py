"""What a verification found: the errors of all layers."""

from __future__ import annotations

import json
from html import escape

_COLUMNS = ("layer", "predicted", "measured", "largest", "bound", "largest_value", "verdict")


class Verification:
    """Errors under encryption beside what the compiler predicted, layer by layer.

    `layers` are dictionaries with `layer`, `predicted` and `measured` (deviations), `largest` (the largest error),
    `bound` and `largest_value` (the largest value that was compiled for, and that was met), and `verdict`: "holds",
    "undecided" or "fails".
    """

    def __init__(self, figures: str) -> None:
        parsed = json.loads(figures)
        self.layers: list[dict] = parsed["layers"]
        self.images: int = parsed["images"]
        #: Images with the same class in clear and encrypted.
        self.agreeing: int = parsed["agreeing"]
        #: Whether no layer fails.
        self.holds: bool = parsed["holds"]
        self._figures = figures

    def __str__(self) -> str:
        line = "{layer}: predicted {predicted:.1e}, measured {measured:.1e}, {verdict}"
        lines = [line.format(**layer) for layer in self.layers]
        return "\n".join([*lines, f"{self.agreeing} of {self.images} images have the same class"])

    def __repr__(self) -> str:
        return f"<beaa.Verification of {self.images} images: {'holds' if self.holds else 'fails'}>"

    def __reduce__(self):
        return Verification, (self._figures,)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in _COLUMNS)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(_cell(layer[name]))}</td>" for name in _COLUMNS) + "</tr>"
            for layer in self.layers
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(value) -> str:
    return f"{value:.2e}" if isinstance(value, float) else str(value)
