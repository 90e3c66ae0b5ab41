"""Starts the processes that are measured, on the machine that it is started on itself; the standard library alone.

Reads a line of JSON for each process, its `argv` and `env`, and answers with one: the milliseconds from before its start until
after its end, its peak resident memory in MiB, its exit status, and the end of what it has written.

A process of its own, for two reasons: a process's peak is never below what its parent's was before the exec, so what measures
must be smaller than what is measured; and a process cannot leave a mount namespace that it was born in.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

UNIT = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss


def measured(argv: "list[str]", env: "dict[str, str]") -> "dict[str, object]":
    """What there is to say of one process."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err, close_fds=False)
        _, status, usage = os.wait4(process.pid, 0)
        milliseconds = 1000 * (time.perf_counter() - start)
        process.returncode = os.waitstatus_to_exitcode(status)
        written = {}
        for name, file in (("out", out), ("err", err)):
            file.seek(0)
            written[name] = file.read().decode(errors="replace")[-4000:]
    return {"ms": milliseconds, "peak": usage.ru_maxrss / UNIT, "status": process.returncode, **written}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(measured(**json.loads(line))), flush=True)
