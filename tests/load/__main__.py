"""`python -m tests.load`: put a service under load, check every answer, report, and judge; docs/load.md tells more."""

import json
import signal
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from copy import copy
from math import ceil
from pathlib import Path

from tests.load import ceiling, charts, limit, objectives, options, page, report, services
from tests.load.figures import figures as figures_of
from tests.load.objectives import Objective, ObjectiveError
from tests.load.trial import Trial, TrialFailed, run
from tests.server import NotReady

FOLDER = Path(__file__).parent
FAILED = 1
MISUSED = 2
WARMUP_SECONDS = 1
"""Of each try of a rate that do not count: connections are made, and everything is done for the first time."""


def main(arguments: list[str] | None = None) -> int:
    """-> the exit code: 0 if every objective is met, 1 if not, 2 if it could not be tried"""
    chosen, extra = _parser().parse_known_args(arguments)
    try:
        code: int = chosen.command(chosen, extra)
    except (NotReady, TrialFailed, ObjectiveError, OSError) as error:
        print(error, file=sys.stderr)
        return MISUSED
    return code


def _parser() -> ArgumentParser:
    parser = ArgumentParser("python -m tests.load", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, command, described in (
        ("run", _run, "load a service and judge it; what is not known here is handed on to Locust"),
        ("limit", _limit, "find the highest rate of arrivals at which p99 stays under a limit"),
    ):
        one = commands.add_parser(name, help=described, formatter_class=ArgumentDefaultsHelpFormatter)
        one.set_defaults(command=command)
        services.add_to(one)
        options.add_to(one)
        one.add_argument("--users", type=int, default=50, help="closed loop: clients at once")
        one.add_argument("--processes", type=int, default=1, help="of the generator")
        one.add_argument("--ceiling", type=float, metavar="R", help="of the generator, if it is known; 0: nobody asks")
        if name == "run":
            one.add_argument("--name", default="load test", help="how the report is called")
            _add_judging(one)
        else:
            one.add_argument("--p99", type=float, default=50, metavar="MS", help="the limit")
            one.add_argument("--start", type=float, default=200, metavar="R", help="the first rate")
            one.add_argument("--most", type=float, default=1e6, metavar="R", help="no rate above this is tried")
            one.set_defaults(seconds=10)
    again = commands.add_parser("report", help="judge and draw what Locust was told to --record")
    again.set_defaults(command=_again)
    again.add_argument("record", type=Path)
    again.add_argument("--name", default="load test", help="how the report is called")
    _add_judging(again)
    compare = commands.add_parser("compare", help="the figures of two reports beside each other")
    compare.set_defaults(command=_compare)
    compare.add_argument("before", type=Path)
    compare.add_argument("now", type=Path)
    return parser


def _add_judging(parser: ArgumentParser) -> None:
    described = "'p99 <= 250', or a file with one a line; wrong = 0 and errors = 0 go without saying"
    parser.add_argument("--objective", action="append", default=[], metavar="TEXT", help=described)
    parser.add_argument(
        "--output", type=_file, default=FOLDER / "report", metavar="FILE", help="page and JSON, without ending; -: none"
    )
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw it there, too")
    parser.add_argument("--before", type=Path, metavar="JSON", help="the report of another run, to compare with")


def _file(text: str) -> Path | None:
    return None if text == "-" else Path(text)


def _run(chosen: Namespace, extra: list[str]) -> int:
    wanted = objectives.read(chosen.objective)
    alone = _ceiling(chosen)
    with services.service(chosen) as (target, server):
        trial = run(target, chosen, extra)
        code = _judge(trial, wanted, chosen, alone)
        if code and server:
            print(f"the end of the service's log:\n{server.log()[-4000:]}", file=sys.stderr)
    return code


def _again(chosen: Namespace, _: list[str]) -> int:
    trial = Trial.read(json.loads(chosen.record.read_text()))
    return _judge(trial, objectives.read(chosen.objective), chosen, None)


def _judge(trial: Trial, wanted: list[Objective], chosen: Namespace, alone: float | None) -> int:
    found = report.report_of(trial, wanted, alone, chosen.name)
    before = json.loads(chosen.before.read_text()) if chosen.before else None
    print(report.text(found))
    if before:
        print(f"\n{report.comparison(found, before)}")
    if chosen.output:
        report.write(found, chosen.output.with_suffix(".json"))
        page.write(found, chosen.output.with_suffix(".html"), before)
        print(f"\n{chosen.output.with_suffix('.html')} has it all")
    if chosen.picture:
        charts.draw(found, chosen.picture)
    return 0 if found["passed"] else FAILED


def _limit(chosen: Namespace, extra: list[str]) -> int:
    alone = _ceiling(chosen)
    wanted = [*objectives.read([]), Objective("p99", "<=", chosen.p99)]
    with services.service(chosen) as (target, _):

        def try_rate(rate: float) -> limit.Tried:
            trial = run(target, _at(chosen, rate), extra)
            warm = ceil(trial.began) + WARMUP_SECONDS  # counts are by whole seconds of the clock
            figures = figures_of(trial.tally.since(warm), trial.began + chosen.seconds - warm)
            kept = all(objective.met(figures) for objective in wanted)
            print(f"{rate:,.0f}/s: p99 {figures['p99']:.1f} ms{'' if kept else ', too much'}", file=sys.stderr)
            return limit.Tried(rate, figures, kept)

        tried = limit.search(try_rate, chosen.start, chosen.most)
    print(limit.table(tried))
    return _tell_limit(tried, chosen, alone)


def _tell_limit(tried: list[limit.Tried], chosen: Namespace, alone: float | None) -> int:
    rate = limit.limit_of(tried)
    if not rate:
        print(f"\np99 is over {chosen.p99:g} ms at any rate")
        return FAILED
    best = next(one.figures for one in tried if one.rate == rate)
    print(
        f"\nup to {rate:,.0f} turns/s ({best['throughput']:,.0f} requests/s, {best['predictions_rate']:,.0f} "
        f"predictions/s) arriving at random, p99 stays under {chosen.p99:g} ms; doors: {', '.join(chosen.doors)}"
    )
    if alone:
        print(f"the generator alone, with a server that does nothing: {alone:,.0f} requests/s")
        if best["throughput"] > ceiling.NEAR * alone:
            print("this is the generator's limit, not the service's: give it more processes, or more machines")
    if any(one.figures["wrong"] for one in tried):
        print("some answers were wrong")
        return FAILED
    return 0


def _at(chosen: Namespace, rate: float) -> Namespace:
    again = copy(chosen)
    again.rate = rate
    return again


def _ceiling(chosen: Namespace) -> float | None:
    return ceiling.measure(chosen) if chosen.ceiling is None else chosen.ceiling or None


def _compare(chosen: Namespace, _: list[str]) -> int:
    before, now = (json.loads(path.read_text()) for path in (chosen.before, chosen.now))
    for one, of in ((before, "before"), (now, "now")):
        print(f"{of}: {one['name']}; {one['where']}\n{report.load_text(one['load'])}")
    print(f"\n{report.comparison(now, before)}")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(FAILED))  # on the way out the service is stopped
    sys.exit(main())
