"""Serves LocalEmu on a free port of 127.0.0.1, which one line of JSON on stdout tells.

usage: localemu_server.py DIRECTORY [--enforce]

What this adds to LocalEmu's own start:
- the socket is bound to 127.0.0.1; LocalEmu listens on every interface, whatever it is told;
- functions are processes of this machine, not containers: `localemu_executor.py`;
- all its files are below the directory, and only the services that the tests need are there;
- gaps are closed: `localemu_gaps.py`.
"""

import json
import os
import socket
import sys
import tempfile
import warnings

# Started in isolated mode, which leaves this folder off the path.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

SERVICES = "apigateway cloudwatch dynamodb events iam kms lambda logs s3 sns sqs ssm sts".split()


def main():
    directory, enforce = os.path.abspath(sys.argv[1]), "--enforce" in sys.argv[2:]
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    # Callers queue until LocalEmu is ready.
    listener.listen(128)
    port = listener.getsockname()[1]
    configure(port, directory, enforce)
    print(json.dumps({"pid": os.getpid(), "port": port}), flush=True)
    serve(listener)


def configure(port, directory, enforce):
    """Sets LocalEmu's environment, which it reads when it is imported."""
    temporary = os.path.join(directory, "tmp")
    os.makedirs(temporary, exist_ok=True)
    tempfile.tempdir = temporary
    os.environ.update(
        {
            "HOME": directory,
            "XDG_CACHE_HOME": os.path.join(directory, "cache"),
            "TMPDIR": temporary,
            "FILESYSTEM_ROOT": os.path.join(directory, "files"),
            "GATEWAY_LISTEN": f"127.0.0.1:{port}",
            "LOCALEMU_HOST": f"127.0.0.1:{port}",
            # A request that runs a function waits for requests of that function's.
            "GATEWAY_WORKER_COUNT": "64",
            "SERVICES": ",".join(SERVICES),
            "SQS_ENDPOINT_STRATEGY": "path",
            "IAM_ENFORCEMENT": "1" if enforce else "0",
            "LAMBDA_RUNTIME_EXECUTOR": "process",
            # No look at anybody's Docker, and nothing from the network.
            "DOCKER_HOST": "unix:///nonexistent",
            "SKIP_SSL_CERT_DOWNLOAD": "1",
        }
    )


def serve(listener):
    if not hasattr(warnings, "deprecated"):
        # Python 3.13 has it, and LocalEmu asks for it. All else in LocalEmu runs on 3.12.
        from typing_extensions import deprecated

        warnings.deprecated = deprecated

    import localemu_executor
    import localemu_gaps

    # Installed without bytecode, since most of it is never imported.
    sys.dont_write_bytecode = False

    from localemu.logging.setup import setup_logging_from_config
    from localemu.runtime import current
    from twisted.internet import endpoints

    setup_logging_from_config()
    localemu_executor.register()
    localemu_gaps.install()
    endpoints.TCP4ServerEndpoint = lambda reactor, _: endpoints.AdoptedStreamServerEndpoint(
        reactor, listener.fileno(), socket.AF_INET
    )
    current.initialize_runtime().run()


main()
