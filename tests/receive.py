"""Receives messages of an SQS queue and prints SQS's answer, with nothing but Python.

usage: receive.py QUEUE_URL REGION

Asks the endpoint that AWS_ENDPOINT_URL names (SQS itself when it names none), in the SQS JSON protocol, for up to ten
messages, and waits up to 5 s for the first. Signs with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN
alone: AWS's configuration files are not read.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import datetime
import hashlib
import hmac
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT = 30


def main():
    queue, region = sys.argv[1:]
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or f"https://sqs.{region}.amazonaws.com"
    endpoint = endpoint.rstrip("/") + "/"
    body = json.dumps({"QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 5}).encode()
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "host": urllib.parse.urlsplit(endpoint).netloc,
        "x-amz-target": "AmazonSQS.ReceiveMessage",
    }
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    request = urllib.request.Request(endpoint, body, signed(headers, endpoint, body, region, now, os.environ))
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            print(answer.read().decode())
    except urllib.error.HTTPError as error:
        sys.exit(f"receive: {error.code} {error.read().decode(errors='replace')}")
    except (urllib.error.URLError, OSError) as error:
        sys.exit(f"receive: {endpoint}: {error}")


def signed(headers, endpoint, body, region, now, environment):
    """The headers with a signature (version 4) of the request."""
    headers = {**headers, "x-amz-date": now}
    if token := environment.get("AWS_SESSION_TOKEN"):
        headers["x-amz-security-token"] = token
    names = ";".join(sorted(headers))
    canonical = "\n".join(
        [
            "POST",
            urllib.parse.quote(urllib.parse.urlsplit(endpoint).path),
            "",
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{now[:8]}/{region}/sqs/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + environment["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    credential = f"{environment['AWS_ACCESS_KEY_ID']}/{scope}"
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


if __name__ == "__main__":
    main()
