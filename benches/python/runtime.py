"""What stands between Lambda's Runtime API and a handler: as little as there can be.

AWS's own runtime client does more (logging, tracing, a C library for HTTP), so this one flatters Python, if anything.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import os
from http.client import HTTPConnection

from handler import handle

VERSION = "/2018-06-01/runtime"


class Context:
    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])


def call(api, method, path, body=None):
    api.request(method, VERSION + path, body)
    answer = api.getresponse()
    return answer.headers, answer.read()


def main():
    api = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        headers, event = call(api, "GET", "/invocation/next")
        context = Context(headers)
        outcome, answer = "response", None
        try:
            answer = handle(json.loads(event), context)
        except Exception as error:
            outcome, answer = "error", {"errorType": type(error).__name__, "errorMessage": str(error)}
        call(api, "POST", f"/invocation/{context.aws_request_id}/{outcome}", json.dumps(answer))


main()
