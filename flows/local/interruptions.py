"""An interrupted command ends at once and leaves what SIGKILL would leave, which the next one uses.

A command runs in a child process. The process that a shell, systemd or a scheduler knows only waits
for it, so that no library's own handling of signals comes in between: on SIGINT, SIGTERM or SIGHUP
it kills the child with everything that the child has started, says how to go on, and ends.
"""

import ctypes
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress

import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
PATIENCE = 3.0  # seconds: a process with much memory takes a moment to go
POLL = 1.0  # seconds between looks at the parent, where the system does not tell of its death


def supervise(advice: str) -> None:
    """Goes on in a child process; the calling process waits for it and never returns.

    The exit code is the command's, 128 plus the signal's number after an interruption. A second
    signal ends the waiting process without any further work; everything is killed by then. A signal
    that is ignored, as nohup asks for, stays ignored. Temporary files of the command, and of what
    it starts, are in a folder of their own, which is removed however the command ends.

    Args:
        advice: what a person can do after an interruption, in a sentence.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent, temporary = os.getpid(), _temporary_folder()
    _control(PR_SET_CHILD_SUBREAPER, 1)  # processes whose parent has ended are found below this one
    heard = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    child = os.fork()
    if child == 0:
        os.setsid()  # Ctrl-C reaches the waiting process only
        _die_with(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, heard)
        if temporary:
            os.environ["TMPDIR"] = tempfile.tempdir = temporary
        return

    def interrupt(number: int, frame: object) -> None:
        heeded = [one for one in SIGNALS if signal.getsignal(one) == interrupt]
        for one in heeded:
            signal.signal(one, signal.SIG_IGN)  # a moment only: nothing may be left half killed
        killed = kill_below(parent)
        for one in heeded:
            signal.signal(one, lambda again, _: os._exit(128 + again))
        with suppress(OSError):  # the terminal may be gone
            name = signal.Signals(number).name
            print(f"\ninterrupted ({name}): {advice}", file=sys.stderr, flush=True)
        psutil.wait_procs(killed, timeout=PATIENCE)
        _remove(temporary)
        os._exit(128 + number)

    for one in SIGNALS:
        if signal.getsignal(one) != signal.SIG_IGN:  # as nohup and shells set it
            signal.signal(one, interrupt)
    signal.pthread_sigmask(signal.SIG_SETMASK, heard)  # what came meanwhile is heeded now
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # nothing is left to interrupt
    _remove(temporary)
    raise SystemExit(code if code >= 0 else 128 - code)


def ending_servers() -> list[signal.Signals]:
    """Returns the signals that end a server: SIGHUP stays ignored where it is, as nohup asks for.

    A shell starts what it runs beside itself with SIGINT ignored; a server heeds it all the same.
    """
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return [one for one in SIGNALS if one != signal.SIGHUP or not ignored]


def kill_below(process: int) -> list[psutil.Process]:
    """Kills with SIGKILL everything that a process has started, in whatever session.

    All of it is stopped before any of it is killed, so that nothing starts more meanwhile.

    Returns:
        What was killed, whose end need not have come yet.
    """
    top = psutil.Process(process)
    stopped: list[psutil.Process] = []
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        fresh = [one for one in top.children(recursive=True) if one not in stopped]
        if not fresh:
            break
        for one in fresh:
            with suppress(psutil.Error):
                one.suspend()
        stopped += fresh
    for one in stopped:
        with suppress(psutil.Error):
            one.kill()
    return stopped


def _temporary_folder() -> str | None:
    """Makes a folder for temporary files; None if the disk takes none: the command will say so."""
    try:
        return tempfile.mkdtemp(prefix="variants.")
    except OSError:
        return None


def _remove(folder: str | None) -> None:
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def _die_with(parent: int) -> None:
    """Lets this process end with SIGKILL when its parent ends, however that happens."""
    _control(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    if sys.platform == "linux":
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _control(option: int, value: int) -> None:
    """Calls prctl, which only Linux has, about this process."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value)
