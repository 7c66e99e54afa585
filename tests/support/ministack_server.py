"""Serves MiniStack as `--local` does, by the same script and with the same arguments, but with its gaps closed."""

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


serve.configure = configure_and_close_gaps
serve.main()
