"""Stands in front of moto for some things that AWS has and moto has not, so that an AWS client can use it at all.

- AWS offers CloudWatch in three protocols; the AWS SDK for Rust speaks the newest, Smithy RPC v2 CBOR, moto only the
  two older ones. What comes in as CBOR is handed to moto as JSON, and its answer goes out as CBOR; neither what is
  asked nor what is answered changes.
  https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
- SNS tells a topic's delivery logging. moto keeps it and does not tell it.
  https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html
- moto has no data protection of SNS topics. It is kept with the topic.
  https://docs.aws.amazon.com/sns/latest/api/API_GetDataProtectionPolicy.html
- moto has no Lambda GetAccountSettings. It is answered with the limits of a new account whose quota was raised.
  https://docs.aws.amazon.com/lambda/latest/api/API_GetAccountSettings.html
"""

import datetime
import io
import json

import cbor2
import moto.moto_server.threaded_moto_server as server
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import camelcase_to_underscores
from moto.sns.responses import SNSResponse

CLOUDWATCH = "/service/GraniteServiceVersion20100801/operation/"
ACCOUNT_SETTINGS = "/2016-08-19/account-settings"
# CBOR has a tag for times, JSON has not: these are the times in CloudWatch's answers.
TIMES = ("Timestamp", "LastModified")
DELIVERY_LOGGING = ("SQSSuccessFeedbackRoleArn", "SQSSuccessFeedbackSampleRate", "SQSFailureFeedbackRoleArn")


def install():
    """To be called before the server is started."""
    original = server.DomainDispatcherApplication
    server.DomainDispatcherApplication = lambda create_app: Front(original(create_app))
    tell = SNSResponse.get_topic_attributes
    SNSResponse.get_topic_attributes = lambda response: with_delivery_logging(response, tell(response))
    SNSResponse.get_data_protection_policy = get_data_protection
    SNSResponse.put_data_protection_policy = put_data_protection


def with_delivery_logging(response, answer):
    topic = response.backend.get_topic(response._get_param("TopicArn"))
    for name in DELIVERY_LOGGING:
        value = getattr(topic, camelcase_to_underscores(name), None)
        if value is not None:
            answer.result["Attributes"][name] = value
    return answer


def get_data_protection(response):
    topic = response.backend.get_topic(response._get_param("ResourceArn"))
    return ActionResult({"DataProtectionPolicy": getattr(topic, "data_protection", "")})


def put_data_protection(response):
    topic = response.backend.get_topic(response._get_param("ResourceArn"))
    topic.data_protection = response._get_param("DataProtectionPolicy") or ""
    return EmptyResult()


class Front:
    """A WSGI application that passes everything else on to moto's."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if path.startswith(CLOUDWATCH):
            return self.cloudwatch(path[len(CLOUDWATCH) :], environ, start_response)
        if path.rstrip("/") == ACCOUNT_SETTINGS:
            return reply(start_response, "200 OK", "application/json", json.dumps(account_settings()).encode())
        return self.application(environ, start_response)

    def cloudwatch(self, operation, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        request = json.dumps(cbor2.loads(body) if body else {}, default=as_json).encode()
        environ.update(
            {
                "PATH_INFO": "/",
                "CONTENT_TYPE": "application/x-amz-json-1.0",
                "CONTENT_LENGTH": str(len(request)),
                "HTTP_X_AMZ_TARGET": "GraniteServiceVersion20100801." + operation,
                "wsgi.input": io.BytesIO(request),
            }
        )
        status = []
        answer = b"".join(self.application(environ, lambda line, headers, *_: status.append(line)))
        encoded = cbor2.dumps(with_times(json.loads(answer)) if answer else {})
        return reply(start_response, status[0], "application/cbor", encoded, ("smithy-protocol", "rpc-v2-cbor"))


def reply(start_response, status, content_type, body, *headers):
    start_response(status, [("content-type", content_type), ("content-length", str(len(body))), *headers])
    return [body]


def account_settings():
    limit = {
        "CodeSizeUnzipped": 262144000,
        "CodeSizeZipped": 52428800,
        "ConcurrentExecutions": 1000,
        "TotalCodeSize": 80530636800,
        "UnreservedConcurrentExecutions": 1000,
    }
    return {"AccountLimit": limit, "AccountUsage": {"FunctionCount": 0, "TotalCodeSize": 0}}


def as_json(value):
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    raise TypeError(f"{value!r} in a request")


def with_times(value, name=""):
    if isinstance(value, dict):
        return {key: with_times(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [with_times(item) for item in value]
    if isinstance(value, (int, float)) and name.endswith(TIMES):
        return cbor2.CBORTag(1, float(value))
    return value
