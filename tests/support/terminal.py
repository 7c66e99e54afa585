"""Runs a command on a terminal of its own, and types an answer when it is asked.

usage: terminal.py ANSWER COMMAND...

ANSWER is a JSON text, so that it may hold control characters. What the terminal shows goes to stdout; the exit code is
the command's. A SIGUSR1 closes the terminal.
"""

import fcntl
import json
import os
import pty
import signal
import struct
import sys
import termios

PROMPT = b"Proceed? [y/N] "
# No command of the tests takes longer.
PATIENCE = 120
ROWS, COLUMNS = 50, 160


def main():
    answer, command = json.loads(sys.argv[1]).encode(), sys.argv[2:]
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execvp(command[0], command)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(PATIENCE)
    signal.signal(signal.SIGUSR1, hang_up)
    shown, asked = b"", False
    try:
        while chunk := read(terminal):
            shown += chunk
            if PROMPT in shown and not asked:
                asked = True
                print("asked", file=sys.stderr, flush=True)
                os.write(terminal, answer)
    except HangUp:
        os.close(terminal)
        print("closed", file=sys.stderr, flush=True)
    _, status = os.waitpid(child, 0)
    sys.stdout.buffer.write(shown)
    sys.stdout.flush()
    code = os.waitstatus_to_exitcode(status)
    sys.exit(code if code >= 0 else 128 - code)


class HangUp(Exception):
    pass


def hang_up(*_):
    raise HangUp


def read(terminal):
    """Nothing at the end. Linux says so with an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


if __name__ == "__main__":
    main()
