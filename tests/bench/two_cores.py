"""The cores a benchmark's processes are put on; on a machine with one, both are the same."""

import os

_ALLOWED = sorted(os.sched_getaffinity(0))
CPUS: tuple[int, int] = (_ALLOWED[0], _ALLOWED[-1])
