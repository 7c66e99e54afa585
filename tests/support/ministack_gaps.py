"""Gives MiniStack what AWS has and MiniStack has not, so that tests can change these properties behind fraudctl's back
and see them repaired. For the tests alone: `--local` serves MiniStack as it is.

- API Gateway sends the values of patches as text. MiniStack keeps the text also where AWS keeps a number or a truth,
  and does not know the paths that mean more than where a value goes.
  https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
- API Gateway tells an API's, a stage's, a key's and a plan's tags with the rest of it. MiniStack tells there only those
  that it was made with.
- CloudWatch gives the queries of an alarm on an expression back, and no metric. MiniStack forgets the queries and adds
  a statistic and a period.
- CloudWatch Logs has AssociateKmsKey and DisassociateKmsKey. MiniStack has neither.
"""

import functools

# What is kept of a patched value that is not text.
KINDS = {
    "/apiKeyRequired": "true".__eq__,
    "/enabled": "true".__eq__,
    "/quota/limit": int,
    "/quota/offset": int,
}
ENDPOINT_TYPES = "/endpointConfiguration/types/"
REQUEST_MODELS = "/requestModels/"
# What only an alarm on one metric has.
OF_ONE_METRIC = ("Namespace", "MetricName", "Statistic", "ExtendedStatistic", "Period", "Unit")


def install():
    """To be called when MiniStack's environment is set, which MiniStack reads when it is imported."""
    from ministack.services import apigateway_v1, cloudwatch, cloudwatch_logs

    for module, name, ours in (
        (apigateway_v1, "_apply_patch", patch),
        (apigateway_v1, "_tag_v1_resource", tag),
        (apigateway_v1, "_untag_v1_resource", untag),
        (cloudwatch, "_put_metric_alarm", put_metric_alarm),
        (cloudwatch_logs, "handle_request", logs),
    ):
        # Each is given the module and the function in whose place it stands.
        setattr(module, name, functools.partial(ours, module, getattr(module, name)))


def patch(module, original, thing, operations):
    for operation in operations:
        op, path, value = operation["op"], operation["path"], operation.get("value")
        if path == "/apiStages":
            # UpdateUsagePlan: adds to a list or removes from it. MiniStack puts the text in place of the list.
            api, _, stage = value.partition(":")
            one = {"apiId": api, "stage": stage}
            thing["apiStages"] = [other for other in thing["apiStages"] if other != one]
            if op == "add":
                thing["apiStages"].append(one)
        elif path.startswith(ENDPOINT_TYPES):
            # UpdateRestApi: the path names the type that is replaced. MiniStack makes an object of the list.
            old = path.removeprefix(ENDPOINT_TYPES)
            configuration = thing["endpointConfiguration"]
            configuration["types"] = [value if kind == old else kind for kind in configuration["types"]]
        elif path.startswith(REQUEST_MODELS):
            # UpdateMethod: the path names a content type, its slash as `~1`. MiniStack does not decode it.
            content_type = module._decode_json_pointer_token(path.removeprefix(REQUEST_MODELS))
            if op == "remove":
                thing["requestModels"].pop(content_type, None)
            else:
                thing["requestModels"][content_type] = value
        elif path in KINDS and value is not None:
            # UpdateMethod, UpdateApiKey, UpdateUsagePlan: after MiniStack's text, no client can read the answers.
            original(thing, [{**operation, "value": KINDS[path](value)}])
        else:
            original(thing, [operation])
    return thing


def tag(module, original, arn, data):
    answer = original(arn, data)
    if answer[0] == 204:
        tagged(module, arn)["tags"].update(data.get("tags", {}))
    return answer


def untag(module, original, arn, keys):
    answer = original(arn, keys)
    if answer[0] == 204:
        for key in keys:
            tagged(module, arn)["tags"].pop(key, None)
    return answer


def tagged(module, arn):
    """What has this ARN, such as `arn:aws:apigateway:us-east-1::/restapis/a1b2/stages/prod`."""
    kind, name, *below = arn.split(":", 5)[5].strip("/").split("/")
    if below:
        return module._stages_v1[name][below[1]]
    stores = {
        "restapis": module._rest_apis,
        "apikeys": module._api_keys,
        "usageplans": module._usage_plans,
        "domainnames": module._domain_names,
    }
    return stores[kind][name]


def put_metric_alarm(module, original, params, data, *protocol):
    answer = original(params, data, *protocol)
    if answer[0] == 200 and data.get("Metrics"):
        alarm = module._alarms[data["AlarmName"]]
        alarm["Metrics"] = data["Metrics"]
        for name in OF_ONE_METRIC:
            alarm.pop(name, None)
    return answer


async def logs(module, original, method, path, headers, body, query_params):
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if action not in ("AssociateKmsKey", "DisassociateKmsKey"):
        return await original(method, path, headers, body, query_params)
    asked = module.json.loads(body)
    group = module._log_groups.get(module._resolve_log_group_name(asked))
    if group is None:
        missing = "The specified log group does not exist."
        return module.error_response_json("ResourceNotFoundException", missing, 400)
    group["kmsKeyId"] = asked["kmsKeyId"] if action == "AssociateKmsKey" else None
    return module.json_response({})
