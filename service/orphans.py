"""No worker outlives its supervisor: it would go on serving, and keep port and session file from the next one."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_supervisor() -> None:
    """Have this process killed when the one that started it dies without stopping it. Linux only; elsewhere nothing.

    Killed, not asked to stop: whoever kills a supervisor starts the next one at once, on the same port and file, and
    what was acknowledged is in the file.
    """
    if sys.platform == "linux":
        supervisor = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:  # it died meanwhile
            os.kill(os.getpid(), signal.SIGKILL)
