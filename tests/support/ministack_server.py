"""Serves MiniStack as `--local` does, by the same script and with the same arguments, but with its gaps closed, and
with another HTTP server before it: most of what thousands of runs cost is the reading of requests, which this one does in
C."""

import os
import sys

# Started in isolated mode, which leaves both folders off the path.
SUPPORT = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [SUPPORT, os.path.join(SUPPORT, "../../src/local")]
sys.dont_write_bytecode = True

import ministack_gaps
import serve

configure = serve.configure


def configure_and_close_gaps(port, options):
    configure(port, options)
    ministack_gaps.install()


class Server(serve.Server):
    def run(self, listener):
        import uvicorn

        serve.raise_open_files_limit()
        config = uvicorn.Config(self, http="httptools", loop="asyncio", log_config=None, timeout_keep_alive=75)
        try:
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            self.stop_functions()


serve.configure = configure_and_close_gaps
serve.Server = Server
serve.main()
