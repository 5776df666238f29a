"""Prometheus text, parsed strictly: a line that is not of the format is an error."""

from __future__ import annotations

import re

_SAMPLE = re.compile(
    r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([+-]?(?:[0-9.]+(?:e[+-]?[0-9]+)?|Inf|NaN))(?: -?[0-9]+)?\Z",
    re.IGNORECASE,
)
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|\Z)')
_TYPES = ("counter", "gauge", "histogram", "summary", "untyped")


class Metrics:
    """`value(name, label=...)` is one sample, `sum(name, label=...)` adds all that match."""

    def __init__(self, text: str):
        self.samples: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        self.types: dict[str, str] = {}
        if text and not text.endswith("\n"):
            raise ValueError("the last line has no newline")
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                if kind not in _TYPES or name in self.types:
                    raise ValueError(f"line {number}: {line!r}")
                self.types[name] = kind
            elif line and not line.startswith("#"):
                self._sample(number, line)

    def _sample(self, number: int, line: str) -> None:
        match = _SAMPLE.match(line)
        if match is None:
            raise ValueError(f"line {number}: not a sample: {line!r}")
        name, text, value = match.group(1), match.group(2) or "", float(match.group(3))
        labels, position = [], 0
        while position < len(text):
            label = _LABEL.match(text, position)
            if label is None:
                raise ValueError(f"line {number}: broken labels: {line!r}")
            labels.append((label.group(1), label.group(2)))
            position = label.end()
        family = self.samples.setdefault(name, {})
        key = tuple(sorted(labels))
        if key in family:
            raise ValueError(f"line {number}: the same sample twice: {line!r}")
        family[key] = value

    def matching(self, name: str, **labels: str) -> list[float]:
        wanted = {(key, str(value)) for key, value in labels.items()}
        return [value for key, value in self.samples.get(name, {}).items() if wanted <= set(key)]

    def value(self, name: str, **labels: str) -> float:
        found = self.matching(name, **labels)
        if len(found) != 1:
            raise KeyError(f"{name}{labels}: {len(found)} samples; families: {sorted(self.samples)}")
        return found[0]

    def sum(self, name: str, **labels: str) -> float:
        return sum(self.matching(name, **labels))
