"""Lets LocalEmu know, as AWS does, which action on which resources a request is, where its own guess is another: for the
services that the system uses. Whoever may do it is still LocalEmu's to say.

https://docs.aws.amazon.com/service-authorization/latest/reference/

- A request about several resources is allowed when each of them is. LocalEmu asks for one.
- API Gateway's actions are HTTP methods, and its resources paths.
- An index of a table, a log group, a rule of the default bus, an alias, several alarms, what carries tags.
- What AWS lists as a whole is about `*`.
- `iam:PassRole` for the role of a function, with `iam:PassedToService`; `iam:PolicyARN` and `iam:PermissionsBoundary`.
"""

from urllib.parse import quote

ALL = "*"


class Several(str):
    """A resource for LocalEmu to tell of, and all that each action is about."""

    def __new__(cls, pairs):
        several = super().__new__(cls, pairs[0][1])
        several.pairs = pairs
        return several


def install():
    from localemu.services.iam_enforcement import enforcer, evaluator, identity, service_action_map

    identity._get_root_access_keys = Accounts
    actions, arn, conditions = service_action_map.map_action, enforcer.build_resource_arn, enforcer._build_conditions
    evaluate = evaluator.PolicyEvaluator.evaluate

    def map_action(service, operation):
        if service == "apigateway":
            return [f"apigateway:{model(operation).http['method']}"]
        if (service, operation) == ("lambda", "CreateFunction"):
            return ["lambda:CreateFunction", "iam:PassRole"]
        return actions(service, operation)

    def build_resource_arn(service, operation, request_params, region, account_id):
        found = resources(service, operation, request_params or {}, Place(region, account_id))
        if found is None:
            return arn(service, operation, request_params, region, account_id)
        return Several([one if isinstance(one, tuple) else (None, one) for one in found or [ALL]])

    def evaluate_each(self, caller, action, resource, conditions, resource_policy=None):
        pairs = getattr(resource, "pairs", [(None, resource)])
        for about, one in pairs:
            if about in (None, action):
                decision = evaluate(self, caller, action, one, conditions, resource_policy)
                if decision != evaluator.Decision.ALLOW:
                    return decision
        return evaluator.Decision.ALLOW

    def build_conditions(context, caller):
        found = conditions(context, caller)
        asked = context.service_request or {}
        for key, name in (("iam:PolicyARN", "PolicyArn"), ("iam:PermissionsBoundary", "PermissionsBoundary")):
            if asked.get(name):
                found[key] = asked[name]
        if context.operation.name == "CreateFunction":
            found["iam:PassedToService"] = "lambda.amazonaws.com"
        return found

    service_action_map.map_action = map_action
    enforcer.build_resource_arn = build_resource_arn
    enforcer._build_conditions = build_conditions
    evaluator.PolicyEvaluator.evaluate = evaluate_each


class Accounts:
    """A 12-digit access key is the root user of that account. LocalEmu knows one such key."""

    def __contains__(self, key):
        return len(key) == 12 and key.isdigit()


class Place:
    def __init__(self, region, account):
        self.region, self.account = region, account

    def arn(self, service, resource):
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def resources(service, operation, asked, at):
    """The ARNs, or pairs of an action and what it is about. None where LocalEmu's own guess is right."""
    tagged = asked.get("ResourceARN") or asked.get("ResourceArn") or asked.get("resourceArn") or asked.get("Resource")
    if isinstance(tagged, str) and tagged.startswith("arn:") and service != "apigateway":
        return [tagged.removesuffix(":*")]
    about = ABOUT.get(service)
    return about(operation, asked, at) if about else None


def apigateway(operation, asked, at):
    shape = model(operation).input_shape
    path = model(operation).http["requestUri"].partition("?")[0]
    for name, member in shape.members.items() if shape else ():
        if member.serialization.get("location") == "uri":
            place = member.serialization["locationName"]
            path = path.replace("{" + place + "}", quote(str(asked.get(name, ALL)), safe="*"))
    return [f"arn:aws:apigateway:{at.region}::{path}"]


def cloudwatch(operation, asked, at):
    alarms = asked.get("AlarmNames") or [asked.get("AlarmName")]
    dashboards = asked.get("DashboardNames") or [asked.get("DashboardName")]
    if operation == "DescribeAlarms":
        return [at.arn("cloudwatch", "alarm:*")]
    found = [at.arn("cloudwatch", f"alarm:{name}") for name in alarms if name]
    return found + [f"arn:aws:cloudwatch::{at.account}:dashboard/{name}" for name in dashboards if name]


def dynamodb(_, asked, at):
    table = lambda name: at.arn("dynamodb", f"table/{name}")
    if "TransactItems" in asked:
        steps = [step for item in asked["TransactItems"] for step in item.items()]
        action = lambda verb: "dynamodb:" + {"ConditionCheck": "ConditionCheckItem"}.get(verb, f"{verb}Item")
        return [(action(verb), table(what["TableName"])) for verb, what in steps]
    if "RequestItems" in asked:
        return [table(name) for name in asked["RequestItems"]]
    if "TableName" not in asked:
        return []
    index = asked.get("IndexName")
    return [table(asked["TableName"]) + (f"/index/{index}" if index else "")]


def events(_, asked, at):
    name = asked.get("Name") or asked.get("Rule")
    return [at.arn("events", f"rule/{name}")] if name else []


def iam(operation, asked, at):
    about = lambda kind, name: f"arn:aws:iam::{at.account}:{kind}{asked.get('Path', '/')}{name}"
    if "RoleName" in asked:
        return [role(asked["RoleName"], at) or about("role", asked["RoleName"])]
    if operation == "CreatePolicy":
        return [about("policy", asked["PolicyName"])]
    return None if set(asked) & {"PolicyArn", "UserName", "GroupName", "InstanceProfileName"} else []


def role(name, at):
    """The ARN of a role that exists, with its path."""
    from moto.iam.models import iam_backends

    roles = iam_backends[at.account]["global"].roles.values()
    return next((one.arn for one in roles if one.name == name), None)


def kms(_, asked, at):
    def one(name):
        return name if name.startswith("arn:") else at.arn("kms", name if name.startswith("alias/") else f"key/{name}")

    return [one(asked[name]) for name in ("AliasName", "KeyId", "TargetKeyId") if asked.get(name)]


def lambda_(operation, asked, at):
    if operation != "CreateFunction":
        return None if "FunctionName" in asked else []
    function = at.arn("lambda", f"function:{asked['FunctionName']}")
    return [("lambda:CreateFunction", function), ("iam:PassRole", asked["Role"])]


def logs(operation, asked, at):
    name = asked.get("logGroupName", ALL if operation == "DescribeLogGroups" else None)
    return [at.arn("logs", f"log-group:{name}")] if name else []


def sns(_, asked, at):
    if "SubscriptionArn" in asked:
        return []
    return None if set(asked) & {"TopicArn", "TargetArn", "Name"} else []


def sqs(_, asked, at):
    return None if set(asked) & {"QueueUrl", "QueueName"} else []


def ssm(_, asked, at):
    names = asked.get("Names") or [asked.get("Name") or asked.get("ResourceId")]
    return [at.arn("ssm", "parameter/" + name.removeprefix("/")) for name in names if name]


ABOUT = {
    "apigateway": apigateway,
    "cloudwatch": cloudwatch,
    "dynamodb": dynamodb,
    "events": events,
    "iam": iam,
    "kms": kms,
    "lambda": lambda_,
    "logs": logs,
    "sns": sns,
    "sqs": sqs,
    "ssm": ssm,
}


def model(operation):
    from localemu.aws.spec import load_service

    return load_service("apigateway").operation_model(operation)
