"""An AWS client for tests, which shares no code with fraudctl: boto3, spoken to in lines of JSON.

usage: bridge.py ENDPOINT REGION   (credentials come from the standard variables)

A request is {"service", "operation", "params"}: boto3's name of the service and of the method. An answer is
{"ok": result} or {"error": {"code", "message", "status"}}. Bytes travel as {"$base64": "..."}, in both directions;
a streamed body as text when it is UTF-8; a time as ISO 8601. Service "bridge" has operations of our own.
"""

import base64
import datetime
import json
import sys

import boto3
import botocore.exceptions
import botocore.response
from botocore.config import Config


def main():
    endpoint, region = sys.argv[1:3]
    aws = Aws(endpoint, region)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(answer(aws, request)), flush=True)


def answer(aws, request):
    try:
        if request["service"] == "bridge":
            result = OPERATIONS[request["operation"]](aws, **request["params"])
        else:
            client = aws.client(request["service"])
            result = getattr(client, request["operation"])(**decoded(request["params"]))
        return {"ok": encoded(result)}
    except botocore.exceptions.ClientError as error:
        return {
            "error": {
                "code": error.response["Error"].get("Code", "Unknown"),
                "message": error.response["Error"].get("Message", ""),
                "status": error.response["ResponseMetadata"].get("HTTPStatusCode", 0),
            }
        }
    except Exception as error:
        return {"error": {"code": type(error).__name__, "message": str(error), "status": 0}}


class Aws:
    def __init__(self, endpoint, region):
        self.endpoint, self.region, self.clients = endpoint, region, {}

    def client(self, service):
        if service not in self.clients:
            # No retry, so that a test sees the first answer.
            config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=120)
            self.clients[service] = boto3.client(
                service, endpoint_url=self.endpoint, region_name=self.region, config=config
            )
        return self.clients[service]

    def all(self, service, operation, key, **params):
        """The items of every page."""
        client = self.client(service)
        if not client.can_paginate(operation):
            return getattr(client, operation)(**params).get(key, [])
        return [item for page in client.get_paginator(operation).paginate(**params) for item in page.get(key, [])]


def batch_write(aws, table, requests):
    """Writes items, as many as there are; a call takes no more than 25."""
    client = aws.client("dynamodb")
    for start in range(0, len(requests), 25):
        result = client.batch_write_item(RequestItems={table: requests[start : start + 25]})
        if result.get("UnprocessedItems"):
            raise RuntimeError(f"not written: {result['UnprocessedItems']}")


def inventory(aws):
    """Every resource of the kinds that fraudctl makes, one string each, whoever made it."""
    found = []

    def add(kind, names):
        found.extend(f"{kind} {name}" for name in names)

    keys = [
        aws.client("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in aws.all("kms", "list_keys", "Keys")
    ]
    own = [key for key in keys if key["KeyState"] != "PendingDeletion" and key.get("KeyManager") != "AWS"]
    aliases = [alias["AliasName"] for alias in aws.all("kms", "list_aliases", "Aliases")]
    groups = aws.all("logs", "describe_log_groups", "logGroups")
    alarms = aws.all("cloudwatch", "describe_alarms", "MetricAlarms")
    alarms += aws.all("cloudwatch", "describe_alarms", "CompositeAlarms")
    dashboards = aws.all("cloudwatch", "list_dashboards", "DashboardEntries")
    subscriptions = aws.all("sns", "list_subscriptions", "Subscriptions")

    add("kms key", (key["KeyId"] for key in own))
    add("kms alias", (name for name in aliases if not name.startswith("alias/aws/")))
    add("dynamodb table", aws.all("dynamodb", "list_tables", "TableNames"))
    add("sns topic", (topic["TopicArn"] for topic in aws.all("sns", "list_topics", "Topics")))
    add("sns subscription", (one["SubscriptionArn"] + " " + one["Endpoint"] for one in subscriptions))
    add("sqs queue", aws.all("sqs", "list_queues", "QueueUrls"))
    add("iam role", (role["RoleName"] for role in aws.all("iam", "list_roles", "Roles")))
    add("iam policy", (policy["Arn"] for policy in aws.all("iam", "list_policies", "Policies", Scope="Local")))
    add("log group", (group["logGroupName"] for group in groups))
    add("lambda function", (one["FunctionName"] for one in aws.all("lambda", "list_functions", "Functions")))
    add("cloudwatch alarm", (alarm["AlarmName"] for alarm in alarms))
    add("cloudwatch dashboard", (dashboard["DashboardName"] for dashboard in dashboards))
    add("events rule", (rule["Name"] for rule in aws.all("events", "list_rules", "Rules")))
    add("rest api", (f"{api['id']} {api['name']}" for api in aws.all("apigateway", "get_rest_apis", "items")))
    add("api key", (f"{key['id']} {key['name']}" for key in aws.all("apigateway", "get_api_keys", "items")))
    add("usage plan", (f"{plan['id']} {plan['name']}" for plan in aws.all("apigateway", "get_usage_plans", "items")))
    add("ssm parameter", (one["Name"] for one in aws.all("ssm", "describe_parameters", "Parameters")))
    return sorted(found)


def decoded(value):
    if isinstance(value, dict):
        if value.keys() == {"$base64"}:
            return base64.b64decode(value["$base64"])
        return {key: decoded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decoded(item) for item in value]
    return value


def encoded(value):
    if isinstance(value, dict):
        return {key: encoded(item) for key, item in value.items() if key != "ResponseMetadata"}
    if isinstance(value, (list, tuple)):
        return [encoded(item) for item in value]
    if isinstance(value, botocore.response.StreamingBody):
        content = value.read()
        try:
            return content.decode()
        except UnicodeDecodeError:
            return encoded(content)
    if isinstance(value, (bytes, bytearray)):
        return {"$base64": base64.b64encode(value).decode()}
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


OPERATIONS = {"inventory": inventory, "batch_write": batch_write}

if __name__ == "__main__":
    main()
