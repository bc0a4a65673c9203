"""What a test starts ends with it: also where the run is killed and nothing of it can tidy up."""

from __future__ import annotations


def ending_with_us(*argv: str, by: str = "KILL") -> list[str]:
    """``argv`` as a command that the kernel ends with the signal ``by`` once the thread that starts it is gone.

    Its process is the program's own. What the program starts in its turn is not held (PR_SET_PDEATHSIG, prctl(2)):
    it is for programs that stay one process, or end their own. Start it from the main thread: a thread of a pool may
    end before the test does.
    """
    return ["setpriv", "--pdeathsig", by, "--", *argv]
