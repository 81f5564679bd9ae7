"""The options that every peer is started with."""

from argparse import ArgumentParser, Namespace


def address() -> Namespace:
    """host and port"""
    parser = ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    return parser.parse_args()
