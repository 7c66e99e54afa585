"""Gives MiniStack what AWS has and MiniStack has not, so that tests can change these properties behind fraudctl's back
and see them repaired. For the tests alone: what `--local` needs too is closed by `src/local/serve.py`, which serves both.

- CloudWatch gives the queries of an alarm on an expression back, and no metric. MiniStack forgets the queries and adds
  a statistic and a period.
- CloudWatch Logs has AssociateKmsKey and DisassociateKmsKey. MiniStack has neither.
- SNS has data protection policies. MiniStack does not know the operations; here no topic has one.
"""

from urllib.parse import parse_qs

from markup import Markup
from serve import stand_in

# What only an alarm on one metric has.
OF_ONE_METRIC = ("Namespace", "MetricName", "Statistic", "ExtendedStatistic", "Period", "Unit")


def install():
    """To be called when MiniStack's environment is set, which MiniStack reads when it is imported."""
    from ministack.services import cloudwatch, cloudwatch_logs, sns

    stand_in(
        (cloudwatch, "_put_metric_alarm", put_metric_alarm),
        (cloudwatch_logs, "handle_request", logs),
        (sns, "handle_request", topics),
    )


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


async def topics(module, original, method, path, headers, body, query_params):
    asked = parse_qs(body.decode("utf-8", errors="replace"))
    if asked.get("Action") != ["GetDataProtectionPolicy"]:
        return await original(method, path, headers, body, query_params)
    _, missing = module._get_topic(asked["ResourceArn"][0])
    nothing = Markup("<GetDataProtectionPolicyResult></GetDataProtectionPolicyResult>")
    return missing or module._xml(200, "GetDataProtectionPolicyResponse", nothing)
