"""An interrupted command ends at once and leaves what SIGKILL would leave, which the next one uses.

A command runs in a child process. The process that a shell, systemd or a scheduler knows only waits
for it, so that no library's own handling of signals comes in between: on SIGINT, SIGTERM or SIGHUP
it kills the child with everything that the child has started, says how to go on, and ends.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from contextlib import suppress

import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
PATIENCE = 3.0  # seconds: a process with much memory takes a moment to go
POLL = 1.0  # seconds between looks at the parent, where the system does not tell of its death


def supervise(advice: str) -> None:
    """Goes on in a child process; the calling process waits for it and never returns.

    The exit code is the command's, 128 plus the signal's number after an interruption. A second
    signal ends the waiting process without any further work. A signal that is ignored, as nohup
    asks for, stays ignored.

    Args:
        advice: what a person can do after an interruption, in a sentence.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.setsid()  # Ctrl-C reaches the waiting process only
        _die_with(parent)
        return

    def interrupt(number: int, frame: object) -> None:
        for one in SIGNALS:
            if signal.getsignal(one) == interrupt:
                signal.signal(one, lambda again, _: os._exit(128 + again))
        kill_tree(child)
        with suppress(OSError):  # the terminal may be gone
            name = signal.Signals(number).name
            print(f"\ninterrupted ({name}): {advice}", file=sys.stderr, flush=True)
        os._exit(128 + number)

    for one in SIGNALS:
        if signal.getsignal(one) != signal.SIG_IGN:  # as nohup and shells set it
            signal.signal(one, interrupt)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    raise SystemExit(code if code >= 0 else 128 - code)


def kill_tree(process: int) -> None:
    """Kills a process with SIGKILL, and everything that it has started, in whatever session.

    It waits until they are gone, for `PATIENCE` seconds at most.
    """
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(process)
        top.suspend()  # it starts nothing more
        below = [*top.children(recursive=True), top]
        for one in below:
            with suppress(psutil.Error):
                one.kill()
        psutil.wait_procs(below, timeout=PATIENCE)


def _die_with(parent: int) -> None:
    """Lets this process end with SIGKILL when its parent ends, however that happens."""
    with suppress(OSError, AttributeError):  # not on Linux
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    if sys.platform == "linux":
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
