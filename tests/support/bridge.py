"""AWS clients for tests, which share no code with fraudctl: boto3, spoken to in lines of JSON.

usage: bridge.py SOCKET

Listens on a Unix socket, alone in its folder, until its standard input ends; then it removes both. Each connection is a client of its own, in a process of its own: it
says {"endpoint", "region", "key", "secret", "token"} first. These processes are forks, since loading boto3 and what it knows
of the services takes longer than most tests ask of it.

A request is {"service", "operation", "params"}: boto3's name of the service and of the method. An answer is
{"ok": result} or {"error": {"code", "message", "status"}}. Bytes travel as {"$base64": "..."}, in both directions;
a streamed body as text when it is UTF-8; a time as ISO 8601. Service "bridge" has operations of our own.
"""

import base64
import datetime
import gc
import json
import os
import re
import select
import signal
import socket
import sys

import boto3
import botocore.exceptions
import botocore.response
import botocore.session
from botocore.config import Config

# What fraudctl uses; others are loaded by who asks for them.
SERVICES = "apigateway cloudwatch dynamodb events iam kms lambda logs s3 sns sqs ssm sts".split()


def main():
    session = botocore.session.get_session()
    for service in SERVICES:
        nobody = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
        session.create_client(service, region_name="us-east-1", **nobody)
    # What the forks share is not touched again.
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(64)
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            os.unlink(sys.argv[1])
            os.rmdir(os.path.dirname(sys.argv[1]))
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(connection, session)
            os._exit(0)
        connection.close()


def serve(connection, session):
    lines = connection.makefile("rw", encoding="utf-8")
    aws = Aws(json.loads(lines.readline()), session)
    for line in lines:
        lines.write(json.dumps(answer(aws, json.loads(line))) + "\n")
        lines.flush()


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
    def __init__(self, who, session):
        self.who, self.session, self.clients = who, boto3.Session(botocore_session=session), {}

    def client(self, service):
        if service not in self.clients:
            # No retry, so that a test sees the first answer.
            config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=120)
            self.clients[service] = self.session.client(
                service,
                endpoint_url=self.who["endpoint"],
                region_name=self.who["region"],
                aws_access_key_id=self.who["key"],
                aws_secret_access_key=self.who["secret"],
                aws_session_token=self.who["token"],
                config=config,
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


def shape(aws):
    """What stands, down to the parts that no list of a service shows, one string each, without the ids that AWS invents:
    the same for the same system, however it came about."""
    client = aws.client
    named = [line for line in inventory(aws) if not line.startswith(NUMBERED)]
    found = [re.sub(r"^(sns subscription \S+):[0-9a-f-]{36} ", r"\1 ", line) for line in named]

    def add(kind, names):
        found.extend(f"{kind} {name}" for name in names)

    for key in aws.all("kms", "list_keys", "Keys"):
        about = client("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if about["KeyState"] != "PendingDeletion" and about.get("KeyManager") != "AWS":
            add("kms key", [about.get("Description")])
    for role in aws.all("iam", "list_roles", "Roles"):
        name = role["RoleName"]
        attached = aws.all("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        add(f"role {name} has policy", (policy["PolicyArn"] for policy in attached))
        add(f"role {name} has own policy", aws.all("iam", "list_role_policies", "PolicyNames", RoleName=name))
    for policy in aws.all("iam", "list_policies", "Policies", Scope="Local"):
        versions = aws.all("iam", "list_policy_versions", "Versions", PolicyArn=policy["Arn"])
        add(f"policy {policy['PolicyName']} has versions in use", [sum(one["IsDefaultVersion"] for one in versions)])
    for function in aws.all("lambda", "list_functions", "Functions"):
        name = function["FunctionName"]
        try:
            policy = json.loads(client("lambda").get_policy(FunctionName=name)["Policy"])
        except botocore.exceptions.ClientError:
            policy = {"Statement": []}
        add(f"function {name} allows", (one["Sid"] for one in policy["Statement"]))
    for rule in aws.all("events", "list_rules", "Rules"):
        targets = client("events").list_targets_by_rule(Rule=rule["Name"])["Targets"]
        add(f"rule {rule['Name']} has target", (target["Id"] for target in targets))
    for plan in aws.all("apigateway", "get_usage_plans", "items"):
        keys = aws.all("apigateway", "get_usage_plan_keys", "items", usagePlanId=plan["id"])
        add("usage plan", [plan["name"]])
        add(f"usage plan {plan['name']} has key", (key["name"] for key in keys))
        add(f"usage plan {plan['name']} has stages", [len(plan.get("apiStages", []))])
    add("api key", (key["name"] for key in aws.all("apigateway", "get_api_keys", "items")))
    for api in aws.all("apigateway", "get_rest_apis", "items"):
        gateway, of, name = client("apigateway"), {"restApiId": api["id"]}, api["name"]
        add("rest api", [name])
        for resource in aws.all("apigateway", "get_resources", "items", **of):
            add(f"api {name} has resource", [f"{resource['path']} {sorted(resource.get('resourceMethods', {}))}"])
        for part in ("models", "request_validators"):
            items = getattr(gateway, f"get_{part}")(**of)["items"]
            add(f"api {name} has {part}", (item["name"] for item in items))
        add(f"api {name} has stage", (stage["stageName"] for stage in gateway.get_stages(**of)["item"]))
        add(f"api {name} has deployments", [len(aws.all("apigateway", "get_deployments", "items", **of))])
    return sorted(found)


# Kinds whose lines in an inventory have an id in them.
NUMBERED = ("kms key ", "rest api ", "api key ", "usage plan ")


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


OPERATIONS = {"inventory": inventory, "shape": shape, "batch_write": batch_write}

if __name__ == "__main__":
    main()
