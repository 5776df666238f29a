"""Domain names as Route 53 stores, escapes and orders them."""

from __future__ import annotations

import re
from functools import lru_cache

PLAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.\Z")


class BadName(ValueError):
    """A name that Route 53 refuses; the text is the middle of Route 53's own message."""

    def __init__(self, problem: str, words: str, name: str):
        super().__init__(f"FATAL problem: {problem} ({words}) encountered with '{name}'")


def _labels(name: str) -> list[bytes]:
    """Splits a name into labels, undoing the escapes of RFC 4343: `\\ooo` and `\\c`."""
    labels, label, position = [], bytearray(), 0
    data = name.encode()
    while position < len(data):
        byte = data[position]
        if byte == 0x5C:
            digits = data[position + 1 : position + 4]
            if len(digits) == 3 and all(0x30 <= digit <= 0x37 for digit in digits):
                label.append(int(digits, 8) & 0xFF)
                position += 4
                continue
            if position + 1 >= len(data):
                raise BadName("InvalidEscape", "Domain name ends in an escape", name)
            label.append(data[position + 1])
            position += 2
            continue
        if byte == 0x2E:
            labels.append(bytes(label))
            label = bytearray()
        else:
            label.append(byte)
        position += 1
    if label:
        labels.append(bytes(label))
    return labels


def _escape(label: bytes) -> str:
    out = []
    for byte in label.lower():
        character = chr(byte)
        plain = character.isascii() and (character.isalnum() or character in "-_")
        out.append(character if plain else f"\\{byte:03o}")
    return "".join(out)


@lru_cache(maxsize=200_000)
def canonical(name: str) -> str:
    """The stored form: lower case, final dot, every unusual byte an octal escape (`*` is `\\052`)."""
    lower = name.lower()
    if len(lower) < 200 and PLAIN.match(lower) and max(map(len, lower.split("."))) <= 63:
        return lower
    if name in ("", "."):
        raise BadName("DomainNameEmpty", "Domain name is empty", name)
    labels = _labels(name)
    for label in labels:
        if not label:
            raise BadName("DomainLabelEmpty", "Domain label is empty", name)
        if len(label) > 63:
            raise BadName("DomainLabelTooLong", "Domain label is too long", name)
    if sum(len(label) + 1 for label in labels) + 1 > 255:
        raise BadName("DomainNameTooLong", "Domain name is too long", name)
    return ".".join(map(_escape, labels)) + "."


@lru_cache(maxsize=200_000)
def order_key(name: str) -> str:
    """What Route 53 sorts by: the labels reversed, the final dot kept, compared as ASCII text."""
    return ".".join(reversed(name[:-1].split("."))) + "."


def is_within(name: str, zone: str) -> bool:
    return name == zone or name.endswith("." + zone)


def readable(name: str) -> str:
    """`\\052.example.com.` -> `*.example.com.`, for a test's own look-ups."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), name)
