"""Sign requests with botocore: one JSON array of requests in a file, one of results on standard output.

test_sigv4.c runs this once for all its random requests. A request's query comes either decoded (`params`, which botocore
encodes) or already in canonical encoding (`query`, which botocore only sorts), because botocore never decodes a URL.
"""

import json
import sys

try:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError:
    sys.exit(77)


def sign(case: dict) -> dict:
    url = "https://" + case["host"] + case["path"]
    if case.get("query"):
        url += "?" + case["query"]
    request = AWSRequest(
        method=case["method"],
        url=url,
        params=[tuple(pair) for pair in case["params"]],
        data=case["body"].encode(),
    )
    for name, value in case["headers"]:
        request.headers[name] = value  # appends: a name may come twice
    request.context["timestamp"] = case["timestamp"]
    signer = SigV4Auth(
        Credentials(case["access_key_id"], case["secret_access_key"]), case["service"], case["region"]
    )
    canonical = signer.canonical_request(request)
    to_sign = signer.string_to_sign(request, canonical)
    signature = signer.signature(to_sign, request)
    signer._inject_signature_to_request(request, signature)
    return {
        "canonical_request": canonical,
        "string_to_sign": to_sign,
        "authorization": request.headers["Authorization"],
    }


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    json.dump([sign(case) for case in cases], sys.stdout)


if __name__ == "__main__":
    main()
