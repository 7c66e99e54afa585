"""Serves one local AWS: MiniStack on 127.0.0.1, with all its files below one directory.

usage: serve.py PORT DIRECTORY [--persist] [--auth]

Port 0 takes any free one. Once the socket listens, one line of JSON on stdout tells {"pid", "port"}.

What this adds to `python -m ministack`:
- the socket is bound before MiniStack is imported, so that two servers never share a port;
- the state is also saved while the server runs, whenever its clients pause, so that a crash costs at
  most the last seconds (MiniStack itself saves only when it is told to stop);
- stopping takes seconds, even in the middle of a client's long poll;
- /_fraudctl/identity tells which process serves which directory, by which version of this script;
- the id of a REST API is enough to call it, whichever account owns it, as at AWS;
- what is patched and tagged at API Gateway is kept as AWS keeps it, so that it can be read back (`patches.py`);
- a gateway response can tell why the request's body was refused;
- text in XML is escaped (`markup.py`).
"""

import argparse
import asyncio
import functools
import hashlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import time

# Started in isolated mode, which leaves this folder off the path.
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import markup
import patches

# What the identity tells of. In this order.
SCRIPTS = ("serve.py", "markup.py", "patches.py")
# A checkpoint waits until no request has come for QUIET seconds, but never longer than LATEST seconds. Both
# are at least that many times what the last checkpoint took, so that a large state does not slow anybody.
QUIET = (1.0, 20)
LATEST = (60.0, 100)
# How long requests in flight may delay a stop.
GRACE = 5.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("directory", type=os.path.abspath)
    parser.add_argument("--persist", action="store_true")
    parser.add_argument("--auth", action="store_true")
    options = parser.parse_args()

    # A closing terminal is no reason to stop.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    listener = listen(options.port)
    port = listener.getsockname()[1]
    configure(port, options)
    server = Server(options)
    print(json.dumps({"pid": os.getpid(), "port": port}), flush=True)
    server.run(listener)


def digest_of_scripts():
    digest = hashlib.sha256()
    for name in SCRIPTS:
        with open(os.path.join(HERE, name), "rb") as script:
            digest.update(script.read())
    return digest.hexdigest()


def listen(port):
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind(("127.0.0.1", port))
        # Only a socket that listens keeps others off its port. Callers queue until MiniStack is ready.
        listener.listen()
    except OSError as error:
        sys.exit(f"cannot listen on 127.0.0.1:{port}: {error.strerror}")
    return listener


def configure(port, options):
    """Sets MiniStack's environment, which it reads when it is imported and hands on to the functions it runs, and how it
    is compiled."""
    markup.install()
    temporary = os.path.join(options.directory, "tmp")
    os.makedirs(temporary, exist_ok=True)
    tempfile.tempdir = temporary
    os.environ.update(
        {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "TMPDIR": temporary,
            "STATE_DIR": os.path.join(options.directory, "state"),
            "S3_DATA_DIR": os.path.join(options.directory, "s3"),
            "PERSIST_STATE": "1" if options.persist else "0",
            "S3_PERSIST": "1" if options.persist else "0",
            "AUTH": "true" if options.auth else "false",
            # Functions call this server, and can never reach the real AWS by accident.
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            # No listeners beside the one port, and no look at anybody's Docker.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
        }
    )


class Server:
    """MiniStack's application with our additions. Created after `configure`."""

    def __init__(self, options):
        from ministack import app as ministack
        from ministack.services import apigateway_v1

        apigateway_v1.find_api_scope = owner_of_rest_api
        patches.install()
        stand_in(
            (apigateway_v1, "_create_usage_plan", usage_plan),
            (apigateway_v1, "_tag_v1_resource", tag),
            (apigateway_v1, "_untag_v1_resource", untag),
            (apigateway_v1, "_check_request_validation", validate),
            (apigateway_v1, "_gateway_error_response", explain),
        )
        # Names every file at every checkpoint.
        logging.getLogger("persistence").setLevel(logging.WARNING)
        self.ministack = ministack
        self.persist = options.persist
        self.identity = {
            "pid": os.getpid(),
            "directory": options.directory,
            "ministack": ministack._version(),
            "script": digest_of_scripts(),
        }
        self.last_request = None
        self.unsaved_since = None
        self.save_took = 0.0

    def run(self, listener):
        from hypercorn.asyncio import serve
        from hypercorn.config import Config

        config = Config()
        config.bind = [f"fd://{listener.fileno()}"]
        config.keep_alive_timeout = 75
        raise_open_files_limit()
        try:
            asyncio.run(serve(self, config, shutdown_trigger=self.told_to_stop))
        finally:
            self.stop_functions()

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            checkpoints = asyncio.create_task(self.checkpoints())
            await self.ministack.app(scope, receive, send)
            checkpoints.cancel()
        elif scope["type"] == "http" and scope["path"] == "/_fraudctl/identity":
            await answer(send, self.identity)
        else:
            await self.ministack.app(scope, receive, send)
            # Whether a request changed anything cannot be told from its method: most AWS protocols only POST.
            self.last_request = time.monotonic()
            self.unsaved_since = self.unsaved_since or self.last_request

    async def checkpoints(self):
        while self.persist:
            await asyncio.sleep(0.25)
            if not self.unsaved_since:
                continue
            quiet, latest = (max(least, times * self.save_took) for least, times in (QUIET, LATEST))
            now = time.monotonic()
            if now - self.last_request > quiet or now - self.unsaved_since > latest:
                self.unsaved_since = None
                self.save()
                self.save_took = time.monotonic() - now

    def save(self):
        """Writes the state. Called on the event loop, so that no request changes what is being written."""
        from ministack.core.persistence import save_all

        save_all(self.ministack._build_persistence_save_dict())

    async def told_to_stop(self):
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await stop.wait()
        loop.call_later(GRACE, self.leave)

    def leave(self):
        """Ends the process although requests are in flight, which MiniStack would wait for."""
        try:
            if self.persist:
                self.save()
            self.stop_functions()
        finally:
            os._exit(0)

    def stop_functions(self):
        from ministack.core import lambda_runtime

        lambda_runtime.reset()


def owner_of_rest_api(api_id):
    """Stands in for MiniStack's own look-up, which sees only the account that the caller's credentials name."""
    from ministack.services import apigateway_v1

    for (account, region, stored_id), _ in apigateway_v1._rest_apis.all_items():
        if stored_id == api_id:
            return account, region
    return None


def stand_in(*places):
    """Puts functions of ours in the place of others: each is given the module and the function that it stands for."""
    for module, name, ours in places:
        setattr(module, name, functools.partial(ours, module, getattr(module, name)))


def usage_plan(module, original, data):
    """A plan without a throttle has none. MiniStack tells an empty one, which reads as one of no requests at all."""
    answer = original(data)
    for plan in module._usage_plans.values():
        if not plan.get("throttle"):
            plan.pop("throttle", None)
    return answer


def tag(module, original, arn, data):
    """API Gateway tells an API's, a stage's, a key's and a plan's tags with the rest of it. MiniStack tells there only
    those that it was made with."""
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


def validate(module, original, method, api_id, request, headers, body, query_params):
    """Notes why a body is refused. MiniStack knows only that it is."""
    error = original(method, api_id, request, headers, body, query_params)
    if error is not None and error.response_type == "BAD_REQUEST_BODY":
        model = method["requestModels"].get("application/json")
        error.reason = reason(module._model_schema(api_id, model) or {}, body)
    return error


def explain(module, original, error, request):
    """Fills in $context.error.validationErrorString, which MiniStack leaves as it stands in the template."""
    status, headers, body = original(error, request)
    told = json.dumps(getattr(error, "reason", ""))[1:-1]
    return status, headers, body.replace(b"$context.error.validationErrorString", told.encode())


def reason(schema, body):
    """What API Gateway's validator says of a body: which fields are missing, and of which type others are, but not
    which ones."""
    try:
        document = json.loads(body)
    except (TypeError, ValueError, RecursionError):
        return "[Unknown error parsing request body]"
    told = []
    fields = document if isinstance(document, dict) else {}
    missing = sorted(set(schema.get("required", [])) - fields.keys())
    if not isinstance(document, dict):
        told.append(mismatch(document, "object"))
    elif missing:
        told.append(f"object has missing required properties ({listed(missing)})")
    for name, field in schema.get("properties", {}).items():
        if name in fields:
            told.append(mismatch(fields[name], field.get("type", [])))
    return f"[{', '.join(filter(None, told))}]"


def mismatch(value, allowed):
    allowed = [allowed] if isinstance(allowed, str) else allowed
    kinds = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    kind = kinds.get(type(value), "object")
    if kind in allowed or (kind == "integer" and "number" in allowed):
        return None
    return f"instance type ({kind}) does not match any allowed primitive type (allowed: {listed(sorted(allowed))})"


def listed(names):
    return json.dumps(names, separators=(",", ":"))


def raise_open_files_limit():
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            pass


async def answer(send, document):
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    main()
