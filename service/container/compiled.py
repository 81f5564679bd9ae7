"""The compiled step in the image, so that no start waits for a compiler.

`python -m service.container.compiled` makes it. numba keeps what it compiles by the processor's name and features, and
an image is seldom built on the machine that it runs on. So it is compiled for a level that nearly all x86 machines
reach, AVX2 with FMA; beside the machine's own that costs nothing that could be measured. Where the level is not
reached, and on other architectures, it is for the processor of the build, and any other compiles at its start.
"""

import os
import shutil
from pathlib import Path

from llvmlite.binding import get_host_cpu_features

LEVEL = "x86-64-v3"
NEEDED = ("avx", "avx2", "bmi", "bmi2", "cx16", "f16c", "fma", "lzcnt", "movbe", "popcnt", "sahf", "sse4.2", "xsave")


def choose() -> None:
    """Have numba compile for the level, if this machine reaches it and nobody chose another processor."""
    features = get_host_cpu_features()
    if all(features.get(name) for name in NEEDED) and "NUMBA_CPU_NAME" not in os.environ:
        os.environ.update(NUMBA_CPU_NAME=LEVEL, NUMBA_CPU_FEATURES="")


def provide() -> None:
    """Copy it to NUMBA_CACHE_DIR: numba reads only a cache that it could write to, and the image is read-only.

    Raises:
        SystemExit: there is no place to write to; one line says where.
    """
    choose()
    cache = Path(os.environ["NUMBA_CACHE_DIR"])
    try:
        for folder in Path(os.environ["BENTO_PATH"], "compiled").iterdir():
            if not (cache / folder.name).exists():
                shutil.copytree(folder, cache / folder.name)
    except OSError as error:
        raise SystemExit(f"elman: {error.filename}: {error.strerror}; the container needs a /tmp to write to") from None


def main() -> None:
    """Compile it into NUMBA_CACHE_DIR."""
    choose()
    from models.kernels import compiled  # after `choose`: numba reads its environment once

    compiled()


if __name__ == "__main__":
    main()
