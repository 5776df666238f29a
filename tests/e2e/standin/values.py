"""Checks of record values, with the messages that Route 53 answers."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Callable

from .names import BadName, canonical

CHARACTER_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def _fatal(problem: str, words: str, value: str) -> str:
    return f"Invalid Resource Record: 'FATAL problem: {problem} ({words}) encountered with '{value}''"


def _ipv4(value: str) -> str | None:
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return _fatal("ARRDATAIllegalIPv4Address", "Value is not a valid IPv4 address", value)
    return None


def _ipv6(value: str) -> str | None:
    try:
        address = ipaddress.IPv6Address(value)
    except ValueError:
        address = None
    if address is None or address.scope_id is not None:
        return _fatal("AAAARRDATAIllegalIPv6Address", "Value is not a valid IPv6 address", value)
    return None


def _domain(value: str) -> str | None:
    try:
        canonical(value)
    except BadName as error:
        return f"Invalid Resource Record: '{error}'"
    if " " in value:
        return _fatal("DomainLabelContainsSpace", "Domain label contains a space", value)
    return None


def _text(value: str) -> str | None:
    rest = value.strip()
    if not rest.startswith('"'):
        return _fatal(
            "InvalidCharacterString", "Value should be enclosed in quotation marks", value
        )
    while rest:
        match = CHARACTER_STRING.match(rest)
        if match is None:
            return _fatal("InvalidCharacterString", "Unterminated quoted string", value)
        if len(re.sub(r"\\([0-7]{3}|.)", "x", match.group(1))) > 255:
            return _fatal("CharacterStringTooLong", "Value is too long", value)
        rest = rest[match.end() :].lstrip()
    return None


def _numbers_then_domain(*limits: int) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        fields = value.split()
        if len(fields) != len(limits) + 1:
            return _fatal("WrongNumberOfFields", "Value has a wrong number of fields", value)
        for field, limit in zip(fields, limits):
            if not field.isdigit() or int(field) > limit:
                return _fatal("NumberOutOfRange", "Value is not a number in range", field)
        return _domain(fields[-1])

    return check


def _caa(value: str) -> str | None:
    if re.fullmatch(r'\d{1,3} [A-Za-z0-9]+ "[^"]*"', value) is None:
        return _fatal("CAARRDATAInvalid", "Value is not a valid CAA record", value)
    return None


CHECKS: dict[str, Callable[[str], str | None]] = {
    "A": _ipv4,
    "AAAA": _ipv6,
    "CNAME": _domain,
    "NS": _domain,
    "PTR": _domain,
    "TXT": _text,
    "SPF": _text,
    "MX": _numbers_then_domain(65535),
    "SRV": _numbers_then_domain(65535, 65535, 65535),
    "CAA": _caa,
}


@lru_cache(maxsize=200_000)
def problem_of(record_type: str, value: str) -> str | None:
    """Route 53's message about the value, or None for a good one."""
    check = CHECKS.get(record_type)
    return check(value) if check else None
