"""Request bodies, checked against botocore's own model of the service and against what it leaves out.

botocore parses the XML by the input shape and validates the result; this module adds what a schema
validator would see and botocore does not: namespace, element order, unknown or repeated elements,
enumerations, patterns, maximum lengths, stray text and attributes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.validate

NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
_PREFIX = "{" + NAMESPACE + "}"
_INTEGER = re.compile(r"-?[0-9]+\Z")


class BadXml(Exception):
    """`code` is MalformedInput (not XML) or InvalidInput (not this XML)."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code, self.message = code, message


def _invalid(words: str) -> BadXml:
    return BadXml("InvalidInput", f"Invalid XML ; {words}")


@lru_cache(maxsize=None)
def service_model() -> botocore.model.ServiceModel:
    raw = botocore.loaders.Loader().load_service_model("route53", "service-2", "2013-04-01")
    return botocore.model.ServiceModel(raw, "route53")


class _Rule:
    """One shape of the model, prepared for the walk over the elements."""

    def __init__(self, shape: botocore.model.Shape):
        self.name, self.kind = shape.name, shape.type_name
        self.enumeration = frozenset(getattr(shape, "enum", ()) or ())
        self.maximum = shape.metadata.get("max")
        self.minimum = shape.metadata.get("min")
        pattern = shape.metadata.get("pattern")
        self.pattern = re.compile(pattern) if pattern else None
        self.order: dict[str, int] = {}
        self.members: dict[str, _Rule] = {}
        self.item_tag = ""
        self.item: _Rule | None = None
        if self.kind == "structure":
            for member_name, member in shape.members.items():
                if member.serialization.get("location"):
                    continue  # in the URI, the query or a header
                tag = _PREFIX + member.serialization.get("name", member_name)
                self.order[tag] = len(self.order)
                self.members[tag] = _Rule(member)
        elif self.kind == "list":
            self.item_tag = _PREFIX + shape.member.serialization.get("name", "member")
            self.item = _Rule(shape.member)

    def check(self, element: ElementTree.Element) -> None:
        if element.attrib:
            raise _invalid(
                f"cvc-complex-type.3.2.2: Attribute '{next(iter(element.attrib))}' is not allowed "
                f"to appear in element '{_local(element.tag)}'."
            )
        if self.kind == "structure":
            self._check_structure(element)
        elif self.kind == "list":
            self._check_list(element)
        else:
            self._check_scalar(element)

    def _no_text(self, element: ElementTree.Element) -> None:
        texts = [element.text] + [child.tail for child in element]
        if any(text and not text.isspace() for text in texts):
            raise _invalid(
                f"cvc-complex-type.2.3: Element '{_local(element.tag)}' cannot have character "
                "[children], because the type's content type is element-only."
            )

    def _check_structure(self, element: ElementTree.Element) -> None:
        self._no_text(element)
        previous = -1
        for child in element:
            place = self.order.get(child.tag)
            if place is None or place <= previous:
                expected = ", ".join(_local(tag) for tag in list(self.order)[previous + 1 :])
                raise _invalid(
                    "cvc-complex-type.2.4.a: Invalid content was found starting with element "
                    f"'{_qualified(child.tag)}'. One of '{{{expected}}}' is expected."
                )
            previous = place
            self.members[child.tag].check(child)

    def _check_list(self, element: ElementTree.Element) -> None:
        self._no_text(element)
        assert self.item is not None
        for child in element:
            if child.tag != self.item_tag:
                raise _invalid(
                    "cvc-complex-type.2.4.a: Invalid content was found starting with element "
                    f"'{_qualified(child.tag)}'. One of '{{{_local(self.item_tag)}}}' is expected."
                )
            self.item.check(child)

    def _check_scalar(self, element: ElementTree.Element) -> None:
        if len(element):
            raise _invalid(
                f"cvc-type.3.1.2: Element '{_local(element.tag)}' is a simple type, so it must "
                "have no element information item [children]."
            )
        text = element.text or ""
        if self.kind in ("integer", "long"):
            if not _INTEGER.match(text):
                raise _invalid(f"cvc-datatype-valid.1.2.1: '{text}' is not a valid value for 'integer'.")
            number = int(text)
            if self.maximum is not None and number > self.maximum:
                raise _invalid(
                    f"cvc-maxInclusive-valid: Value '{text}' is not facet-valid with respect to "
                    f"maxInclusive '{self.maximum}' for type '{self.name}'."
                )
        elif self.kind == "boolean" and text not in ("true", "false"):
            raise _invalid(f"cvc-datatype-valid.1.2.1: '{text}' is not a valid value for 'boolean'.")
        elif self.enumeration and text not in self.enumeration:
            raise _invalid(
                f"cvc-enumeration-valid: Value '{text}' is not facet-valid with respect to "
                f"enumeration '[{', '.join(sorted(self.enumeration))}]'."
            )
        elif self.kind == "string" and self.maximum is not None and len(text) > self.maximum:
            raise _invalid(
                f"cvc-maxLength-valid: Value with length = '{len(text)}' is not facet-valid with "
                f"respect to maxLength '{self.maximum}' for type '{self.name}'."
            )
        elif self.pattern and not self.pattern.fullmatch(text):
            raise _invalid(
                f"cvc-pattern-valid: Value '{text}' is not facet-valid with respect to pattern "
                f"'{self.pattern.pattern}' for type '{self.name}'."
            )


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _qualified(tag: str) -> str:
    """With its namespace where that is what is wrong."""
    return _local(tag) if tag.startswith(_PREFIX) else tag


@lru_cache(maxsize=None)
def _operation_rule(operation: str) -> _Rule:
    return _Rule(service_model().operation_model(operation).input_shape)


def parse(operation: str, body: bytes, uri_members: dict[str, str]) -> dict[str, Any]:
    """The request as botocore would give it to `client.OPERATION(**...)`; raises BadXml."""
    shape = service_model().operation_model(operation).input_shape
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise BadXml("MalformedInput", f"Unexpected character or end of the document: {error}") from None
    if root.tag != _PREFIX + shape.serialization["name"]:
        raise _invalid(f"cvc-elt.1: Cannot find the declaration of element '{root.tag}'.")
    _operation_rule(operation).check(root)
    parsed = botocore.parsers.RestXMLParser()._parse_shape(shape, root)
    parsed.update(uri_members)
    report = botocore.validate.ParamValidator().validate(parsed, shape)
    if report.has_errors():
        raise _invalid(report.generate_report())
    return parsed
