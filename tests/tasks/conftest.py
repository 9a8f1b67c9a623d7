"""What holds for the tests of tasks."""

import os

# Before torch is imported, here and in the processes that tests start: tests run beside one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
