"""Holds the table "What is compared" of docs/system.md against AWS's service models, as botocore has them.

usage: properties.py SYSTEM_MD

Prints a JSON list of what is wrong: a property that AWS lets somebody set and the table does not decide, a decision
about nothing, a kind without one.

What can be set is read from the models: every operation that changes something and whose input names a resource of the
kind, with the members of that input; at API Gateway, whose updates are patches, the members of the resource itself; where
attributes are a map, the names of the map. What is inside a member is looked at only where the member is wanted: what
is compared as a whole, or not at all, is decided as a whole.
"""

import json
import re
import sys

from botocore.loaders import Loader

# What tells nothing of which resource is meant.
HOW = {"patchOperations", "from"}
CHANGES_NOTHING = re.compile("BatchGet|Describe|Filter|Get|List|Query|Scan|Search|Test")


class Kind:
    def __init__(self, service, names, only=".", shapes=(), attributes=()):
        # The members that say which resource is meant, and how a change is sent.
        self.names = set(names.split())
        self.service = service
        self.only = re.compile(only)
        self.shapes = shapes
        # (shape, member) whose documentation lists the names of attributes.
        self.attributes = attributes


def api(noun, names="", only=None):
    names = f"restApiId patchOperations from {names}"
    return Kind("apigateway", names, f"^(Create|Update|Put|Delete){only or noun}$", shapes=(noun,))


# At API Gateway everything below an API names the API. What has no kind of its own is decided with the API.
OWN_KIND = "Resource|Method|Integration|Model|RequestValidator|Deployment|Stage"
OF_A_PART = "documentationPartId documentationVersion httpMethod resourceId responseType statusCode"
KINDS = {
    "apigateway.api_key": api("ApiKey", "apiKey id generateDistinctId"),
    "apigateway.deployment": api("Deployment", "deploymentId id stageName"),
    "apigateway.integration": api("Integration", "resourceId httpMethod"),
    "apigateway.method": api("Method", "resourceId httpMethod"),
    "apigateway.model": api("Model", "modelName id"),
    "apigateway.resource": api("Resource", "resourceId id"),
    "apigateway.rest_api": api("RestApi", f"id {OF_A_PART}", f"((RestApi)|(?!({OWN_KIND})$).*)"),
    "apigateway.stage": api("Stage", "stageName"),
    "apigateway.usage_plan": api("UsagePlan", "usagePlanId id keyId", "Usage(Plan)?"),
    "apigateway.usage_plan_key": api("UsagePlanKey", "usagePlanId keyId keyType id"),
    "apigateway.validator": api("RequestValidator", "requestValidatorId id"),
    "cloudwatch.alarm": Kind("cloudwatch", "AlarmName AlarmNames"),
    "cloudwatch.dashboard": Kind("cloudwatch", "DashboardName DashboardNames"),
    "dynamodb.table": Kind("dynamodb", "TableName TableArn ResourceArn SourceTableArn"),
    "events.rule": Kind("events", "Name EventBusName", "(Rule)$"),
    "events.target": Kind("events", "Rule EventBusName Ids", "Targets$"),
    "iam.attachment": Kind("iam", "RoleName PolicyArn", "^(At|De)tachRolePolicy$"),
    "iam.policy": Kind("iam", "PolicyArn PolicyName", "^(?!(Put|Delete)(Role|User|Group)Policy$)"),
    "iam.role": Kind("iam", "RoleName"),
    "kms.alias": Kind("kms", "AliasName"),
    "kms.key": Kind("kms", "KeyId", "^(?!.*Alias)"),
    "lambda.function": Kind("lambda", "FunctionName Resource ResourceArn", "^(?!(Add|Remove)Permission$)"),
    "lambda.permission": Kind("lambda", "FunctionName StatementId", "^(Add|Remove)Permission$"),
    "logs.group": Kind("logs", "logGroupName logGroupIdentifier logGroupIdentifiers resourceIdentifier resourceArn"),
    "sns.subscription": Kind(
        "sns",
        "SubscriptionArn TopicArn AttributeName AttributeValue ReturnSubscriptionArn",
        "Subscri",
        attributes=(("SetSubscriptionAttributesInput", "AttributeName"), ("SubscribeInput", "Attributes")),
    ),
    "sns.topic": Kind(
        "sns",
        "TopicArn ResourceArn Name AttributeName AttributeValue",
        "^(?!.*(Subscri|Platform))",
        attributes=(("SetTopicAttributesInput", "AttributeName"), ("CreateTopicInput", "Attributes")),
    ),
    "sqs.queue": Kind("sqs", "QueueUrl QueueName SourceArn"),
    "ssm.parameter": Kind("ssm", "Name Names ResourceId ResourceType ResourceArn", "Parameter|Tags|ResourcePolicy"),
}


def main():
    with open(sys.argv[1], encoding="utf-8") as system:
        table, wrong = decisions(system.read())
    loader = Loader()
    models = {}
    for name, kind in KINDS.items():
        model = models.get(kind.service)
        if model is None:
            model = models[kind.service] = loader.load_service_model(kind.service, "service-2")
        wrong += Check(name, kind, model, table.pop(name, {})).wrong()
    wrong += [f"{name}: no such kind" for name in table]
    print(json.dumps(wrong))


def decisions(text):
    """The rows below the heading as {kind: {name: decision}}, and what is wrong with the rows themselves."""
    section = text.split("\n## What is compared\n")[1].split("\n## ")[0]
    table, wrong, kind = {}, [], None
    for row in section.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        if not row.startswith("| ") or len(cells) != 3 or cells[0] == "kind":
            continue
        kind = cells[0].strip("`") or kind
        decision = cells[2]
        if not re.match(r"(wanted|usual)\b|passed over: .", decision):
            wrong.append(f"{kind}: {decision!r} is no decision")
        for name in re.findall("`([^`]+)`", cells[1]):
            if name in table.setdefault(kind, {}):
                wrong.append(f"{kind}: {name} is decided twice")
            table[kind][name] = decision.split(":")[0].split(" (")[0].strip()
    return table, wrong


class Check:
    def __init__(self, name, kind, model, table):
        self.name, self.kind, self.table = name, kind, table
        self.shapes, self.operations = model["shapes"], model["operations"]
        self.used, self.undecided, self.seen = set(), set(), set()

    def wrong(self):
        for operation, described in sorted(self.operations.items()):
            shape = described.get("input", {}).get("shape")
            if shape and self.sets_something(operation, shape):
                self.operation(operation, shape)
        for shape in self.kind.shapes:
            self.structure(shape)
        for shape, member in self.kind.attributes:
            text = self.shapes[shape]["members"][member]["documentation"]
            for attribute in re.findall(r"<li>\s*<p>\s*<code>(\w+)</code>", text):
                self.decide(attribute)
        unused = set(self.table) - self.used
        missing = [f"{self.name}: {name} is not decided" for name in sorted(self.undecided)]
        return missing + [f"{self.name}: {name} cannot be set" for name in sorted(unused)]

    def sets_something(self, operation, shape):
        if CHANGES_NOTHING.match(operation) or not self.kind.only.search(operation):
            return False
        return bool((self.kind.names - HOW) & set(self.shapes[shape]["members"]))

    def operation(self, operation, shape):
        # A decision about the operation is one about all that it sets.
        if operation in self.table:
            self.used.add(operation)
            return
        members = set(self.shapes[shape]["members"]) - self.kind.names
        if not members and not re.match("Create|Delete|Update", operation):
            self.undecided.add(operation)
        self.structure(shape)

    def structure(self, name):
        shape = self.shapes[name]
        if name in self.seen:
            return
        self.seen.add(name)
        if shape["type"] == "list":
            self.structure(shape["member"]["shape"])
        elif shape["type"] == "map":
            for key in self.shapes[shape["key"]["shape"]].get("enum", ()):
                self.decide(key)
            self.structure(shape["value"]["shape"])
        elif shape["type"] == "structure":
            for member, target in shape["members"].items():
                if member not in self.kind.names and self.decide(member) == "wanted":
                    self.structure(target["shape"])

    def decide(self, name):
        decision = self.table.get(name)
        (self.used if decision else self.undecided).add(name)
        return decision


main()
