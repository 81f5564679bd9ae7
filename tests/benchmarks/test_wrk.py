"""What wrk prints is read; what went wrong fails the run."""

import pytest

from tests.benchmarks.wrk import LoadFailed, parsed, typical

OUTPUT = """Running 1s test @ http://127.0.0.1:3000
  1 threads and 16 connections
Requests/sec:   2000.00
{{"requests": 2000, "seconds": 1.000000, "errors": {errors}, "p50": 1.500, "p99": 3.000, "p999": 9.250}}
"""


def test_figures_come_from_the_last_line() -> None:
    load = parsed(OUTPUT.format(errors=0), cpu_seconds=0.5)
    assert (load.rate, load.p50, load.p99, load.p999, load.cpu) == (2000, 1.5, 3.0, 9.25, 250)


def test_one_request_that_was_refused_fails_the_run() -> None:
    with pytest.raises(LoadFailed, match="1 errors in 2000 requests"):
        parsed(OUTPUT.format(errors=1), cpu_seconds=0.5)


def test_the_typical_load_is_the_median_of_every_figure() -> None:
    loads = [parsed(OUTPUT.format(errors=0), cpu_seconds=seconds) for seconds in (0.2, 0.9, 0.4)]
    assert typical(loads).cpu == 200
