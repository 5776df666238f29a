#!/usr/bin/python3
"""Prints, as JSON, what the policies of contrib/ must allow and refuse: [policy, why, action, resource, context, allowed]."""

import json

ZONE = "arn:aws:route53:::hostedzone/Z1FXLQ1OABKR4O"
OTHER = "arn:aws:route53:::hostedzone/Z2OTHER"
PLAIN, ACME = "iam-policy.json", "iam-policy-acme.json"


def change(*pairs):
    """The context of a batch: its actions, record types and names."""
    return {
        "route53:ChangeResourceRecordSetsActions": sorted({action for action, _, _ in pairs}),
        "route53:ChangeResourceRecordSetsRecordTypes": sorted({kind for _, kind, _ in pairs}),
        "route53:ChangeResourceRecordSetsNormalizedRecordNames": sorted({name for _, _, name in pairs}),
    }


ADDRESSES = change(("UPSERT", "A", "home.example.com"), ("UPSERT", "AAAA", "home.example.com"))
WITHDRAWN = change(("UPSERT", "A", "home.example.com"), ("DELETE", "AAAA", "home.example.com"))
TEXT = change(("UPSERT", "TXT", "_acme-challenge.example.com"))
MIXED = change(("UPSERT", "TXT", "_acme-challenge.example.com"), ("UPSERT", "A", "home.example.com"))
SET = "route53:ChangeResourceRecordSets"

BOTH = [
    ("reading the zone", "route53:GetHostedZone", ZONE, {}, True),
    ("reading its records", "route53:ListResourceRecordSets", ZONE, {}, True),
    ("addresses", SET, ZONE, ADDRESSES, True),
    ("an address is withdrawn", SET, ZONE, WITHDRAWN, True),
    ("another zone's records", "route53:ListResourceRecordSets", OTHER, {}, False),
    ("another zone's addresses", SET, OTHER, ADDRESSES, False),
    ("mail", SET, ZONE, change(("UPSERT", "MX", "example.com")), False),
    ("name servers", SET, ZONE, change(("UPSERT", "NS", "example.com")), False),
    ("an alias in other words", SET, ZONE, change(("UPSERT", "CNAME", "www.example.com")), False),
    ("an address, and something beside it", SET, ZONE,
     change(("UPSERT", "A", "home.example.com"), ("UPSERT", "MX", "example.com")), False),
    ("making a record is not asked for", SET, ZONE, change(("CREATE", "A", "home.example.com")), False),
    ("removing the zone", "route53:DeleteHostedZone", ZONE, {}, False),
    ("the names of all zones", "route53:ListHostedZonesByName", "*", {}, False),
    ("another service", "iam:ListUsers", "*", {}, False),
]
ROWS = [(policy, *row) for policy in (PLAIN, ACME) for row in BOTH] + [
    (PLAIN, "a text", SET, ZONE, TEXT, False),
    (PLAIN, "a text and an address", SET, ZONE, MIXED, False),
    (PLAIN, "whether a change is everywhere", "route53:GetChange", "arn:aws:route53:::change/C1", {}, False),
    (ACME, "a text", SET, ZONE, TEXT, True),
    (ACME, "a text and an address", SET, ZONE, MIXED, True),
    (ACME, "whether a change is everywhere", "route53:GetChange", "arn:aws:route53:::change/C1", {}, True),
]

if __name__ == "__main__":
    print(json.dumps(ROWS))
