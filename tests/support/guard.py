"""Runs a server for as long as somebody holds the other end of stdin.

usage: guard.py DIRECTORY COMMAND...

A test process that ends, however it ends, closes the pipe. Then the server and every process that it started
are killed, and the directory is removed with all that they wrote. The server's first line of output is passed
on; the rest goes to DIRECTORY/server.log.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading


def main():
    directory, command = sys.argv[1], sys.argv[2:]
    log = open(os.path.join(directory, "server.log"), "wb")
    # A session of its own, so that the group holds the server and its children and nobody else.
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
    )
    try:
        sys.stdout.buffer.write(server.stdout.readline())
        sys.stdout.buffer.flush()
        threading.Thread(target=shutil.copyfileobj, args=(server.stdout, log), daemon=True).start()
        wait_for_end_of_input()
    finally:
        # Even after the server has ended: what it started may still be there.
        try:
            os.killpg(server.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        server.wait()
        shutil.rmtree(directory, ignore_errors=True)


def wait_for_end_of_input():
    while os.read(sys.stdin.fileno(), 4096):
        pass


if __name__ == "__main__":
    main()
