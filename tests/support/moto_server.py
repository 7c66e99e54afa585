"""Serves moto on a free port of 127.0.0.1, which one line of JSON on stdout tells."""

import json
import os
import sys
import threading

# Started in isolated mode, which leaves this folder off the path.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

# Else the policies that AWS itself provides do not exist.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

import moto_gaps
from moto.server import ThreadedMotoServer

moto_gaps.install()

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
print(json.dumps({"pid": os.getpid(), "port": port}), flush=True)
threading.Event().wait()
