"""Gives LocalEmu what AWS has and LocalEmu has not, so that the tests can use it, and takes away what only costs time.

- Policies are enforced on what a request really is about: `localemu_iam.py`.
- A function that could not be made can be deleted. LocalEmu takes its tags away, answers with a fault, and keeps it.
- LocalEmu delivers an event of each API call after a minute, and keeps a thread for each until then. Nobody listens.
"""

import localemu_iam


def install():
    """To be called before LocalEmu starts."""
    from localemu.services.cloudtrail import recording_hook
    from localemu.services.lambda_.invocation.lambda_service import LambdaService

    localemu_iam.install()
    stop_version = LambdaService.stop_version
    LambdaService.stop_version = lambda service, qualified_arn: stop(stop_version, service, qualified_arn)
    recording_hook.register_recording_hook = lambda: None


def stop(original, service, qualified_arn):
    try:
        original(service, qualified_arn)
    except ValueError:
        # Nothing of it runs, and so nothing has to be stopped.
        pass
