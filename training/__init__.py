"""Data in, checkpoint out, offline. Knows the network, not the service."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when numpy and scipy load; matrices are small, threads wait
