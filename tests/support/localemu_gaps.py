"""Gives LocalEmu what AWS has and LocalEmu has not, so that the tests can use it, and takes away what only costs time.

- A 12-digit access key is the root user of that account, with enforced policies too. LocalEmu knows one such key.
- A query of an index is about that index, as policies name it. LocalEmu takes it for a query of the table.
- A function that could not be made can be deleted. LocalEmu takes its tags away, answers with a fault, and keeps it.
- LocalEmu delivers an event of each API call after a minute, and keeps a thread for each until then. Nobody listens.
"""


def install():
    """To be called before LocalEmu starts."""
    from localemu.services.cloudtrail import recording_hook
    from localemu.services.iam_enforcement import arn_builder, identity
    from localemu.services.lambda_.invocation.lambda_service import LambdaService

    identity._get_root_access_keys = Accounts
    arn_builder._SERVICE_ARN_BUILDERS["dynamodb"] = dynamodb_arn
    stop_version = LambdaService.stop_version
    LambdaService.stop_version = lambda service, qualified_arn: stop(stop_version, service, qualified_arn)
    recording_hook.register_recording_hook = lambda: None


class Accounts:
    def __contains__(self, key):
        return len(key) == 12 and key.isdigit()


def dynamodb_arn(params, region, account_id):
    table = f"arn:aws:dynamodb:{region}:{account_id}:table/{params.get('TableName', '*')}"
    index = params.get("IndexName")
    return f"{table}/index/{index}" if index else table


def stop(original, service, qualified_arn):
    try:
        original(service, qualified_arn)
    except ValueError:
        # Nothing of it runs, and so nothing has to be stopped.
        pass
