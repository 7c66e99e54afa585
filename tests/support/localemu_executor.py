"""Runs LocalEmu's functions as processes of this machine, in place of containers: a function's `bootstrap`, and Lambda's
Runtime API for it.

LocalEmu looks its executors up among plugins by the name in LAMBDA_RUNTIME_EXECUTOR; this one's is "process".
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import http.server
import json
import os
import queue
import subprocess
import tempfile
import threading
import time

from localemu.services.lambda_.invocation import runtime_executor
from localemu.services.lambda_.invocation.lambda_models import InvocationResult
from localemu.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from plux import PluginFinder, PluginSpec

PREFIX = "/2018-06-01/runtime"


def register():
    """To be called before LocalEmu starts."""
    runtime_executor.EXECUTOR_PLUGIN_MANAGER.finder = Finder()


class Finder(PluginFinder):
    def find_plugins(self):
        return [PluginSpec(RuntimeExecutorPlugin.namespace, ProcessPlugin.name, ProcessPlugin)]


class ProcessPlugin(RuntimeExecutorPlugin):
    name = "process"

    def load(self, *_, **__):
        return ProcessExecutor


class ProcessExecutor(runtime_executor.RuntimeExecutor):
    """One execution environment: it takes one invocation at a time, and a process that has ended is started again."""

    def __init__(self, id, function_version):
        super().__init__(id, function_version)
        self.api = self.process = self.environment = None
        self.asked, self.answered = queue.Queue(), queue.Queue()
        # Appended to, whatever position is read from.
        self.log = tempfile.TemporaryFile("a+b")
        self.lock = threading.Lock()

    def start(self, env_vars):
        self.api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.api.daemon_threads = True
        threading.Thread(target=self.api.serve_forever, daemon=True).start()
        self.environment = {
            "PATH": os.environ["PATH"],
            # A Lambda function has no configuration files, and reaches no AWS but this one.
            "AWS_EC2_METADATA_DISABLED": "true",
            **{name: str(value) for name, value in env_vars.items()},
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.api.server_port}",
            "LAMBDA_TASK_ROOT": str(self.code()),
        }

    def stop(self):
        with self.lock:
            process, self.process = self.process, None
        if process:
            process.kill()
            process.wait()
        # Whoever waits for an invocation ends.
        self.asked.put(None)
        if self.api:
            self.api.shutdown()
            self.api.server_close()

    def invoke(self, payload, function_timeout=None):
        self.launch()
        before = self.log.seek(0, os.SEEK_END)
        deadline_ms = int((time.time() + (function_timeout or 900)) * 1000)
        self.asked.put((payload, deadline_ms))
        try:
            is_error, answer = self.answered.get(timeout=function_timeout or 900)
        except queue.Empty:
            self.process.kill()
            # The end of the process answers as well.
            self.answered.get()
            is_error, answer = True, error("Sandbox.Timedout", f"Task timed out after {function_timeout}.00 seconds")
        self.log.seek(before)
        logs = self.log.read().decode(errors="replace")
        return InvocationResult(payload["invoke-id"], answer, is_error=is_error, logs=logs or "(nothing)\n")

    def launch(self):
        with self.lock:
            if self.process and self.process.poll() is None:
                return
            self.asked.put(None)
            self.asked, self.answered = queue.Queue(), queue.Queue()
            self.process = subprocess.Popen(
                [self.code() / "bootstrap"],
                cwd=self.code(),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=self.log,
            )
            threading.Thread(target=self.watch, args=(self.process, self.answered), daemon=True).start()

    @staticmethod
    def watch(process, answered):
        status = process.wait()
        answered.put((True, error("Runtime.ExitError", f"the function ended with status {status}")))

    def code(self):
        return self.function_version.config.code.get_unzipped_code_location()

    def get_address(self):
        return "127.0.0.1"

    def get_endpoint_from_executor(self):
        return "127.0.0.1"

    def get_runtime_endpoint(self):
        return ""

    def get_logs(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    @classmethod
    def prepare_version(cls, function_version):
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version):
        pass


def error(kind, message):
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def handler_of(executor):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            asked = executor.asked.get()
            if asked is None:
                self.close_connection = True
                return
            payload, deadline_ms = asked
            headers = {
                "Lambda-Runtime-Aws-Request-Id": payload["invoke-id"],
                "Lambda-Runtime-Deadline-Ms": deadline_ms,
                "Lambda-Runtime-Invoked-Function-Arn": payload["invoked-function-arn"],
                "Lambda-Runtime-Trace-Id": payload["trace-id"],
            }
            self.reply(200, payload["payload"].encode(), headers)

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            executor.answered.put((self.path.endswith("/error"), body))
            self.reply(202, b"{}", {})

        def reply(self, status, body, headers):
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "Content-Length": len(body)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler
