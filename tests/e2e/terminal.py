"""Runs a command on a terminal of its own: types `early` at once and `answer` when `prompt` stands there; prints what was shown.

Usage: terminal.py PROMPT EARLY ANSWER COMMAND...   (EARLY and ANSWER with Python escapes, e.g. 'y\\n' or '\\x03')
"""
import os
import pty
import select
import sys
import time

prompt = sys.argv[1].encode()
early, answer = (w.encode().decode("unicode_escape").encode("latin-1") for w in sys.argv[2:4])
command = sys.argv[4:]

pid, fd = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
if early:
    os.write(fd, early)
shown = b""
answered = 0
deadline = time.monotonic() + 20
while time.monotonic() < deadline:
    if not select.select([fd], [], [], 0.2)[0]:
        continue
    try:
        part = os.read(fd, 65536)
    except OSError:  # EIO: the other side is gone
        break
    if not part:
        break
    shown += part
    if shown.count(prompt) > answered:
        answered += 1
        os.write(fd, answer)
sys.stdout.buffer.write(shown)
sys.stdout.flush()
if time.monotonic() >= deadline:
    os.kill(pid, 9)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
