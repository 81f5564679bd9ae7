"""The Bento that `make build` packs, started as its image starts it, and the Dockerfile of that image."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import httpx2
import numpy as np
import pytest
from bentoml._internal.bento import Bento
from bentoml._internal.container import construct_containerfile

from models import load
from tests.server import HOST, ROOT, Server, free_port, running

MODULE = "service.container"


@pytest.fixture(scope="module")
def bento(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    output = subprocess.check_output(
        [sys.executable, "-m", "bentoml", "build", "--output", "tag"],
        cwd=ROOT,
        env={**os.environ, "BENTOML_HOME": str(home)},
        text=True,
    )
    name, version = output.strip().rsplit("__tag__:", 1)[1].split(":")
    return home / "bentos" / name / version


@pytest.fixture(scope="module")
def dockerfile(bento: Path) -> str:
    # BentoML 1.4.39 takes the template in its temporary folder only if that is below the current one
    with chdir("/"), construct_containerfile(Bento.from_path(str(bento))) as (_, file):
        return Path(file).read_text()


@pytest.fixture(scope="module")
def cache(bento: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where numba keeps what it compiles, as soon as the server has started."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(bento / "compiled")}
    subprocess.run([sys.executable, "-m", f"{MODULE}.compiled"], cwd=bento / "src", env=environment, check=True)
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def server(bento: Path, cache: Path) -> Iterator[Server]:
    environment = {"BENTO_PATH": str(bento), "NUMBA_CACHE_DIR": str(cache)}
    with running((MODULE,), environment, working_directory=bento / "src") as server:
        yield server


def healthy(port: int, *path: str) -> bool:
    """What the image's health check says of a port."""
    environment = {**os.environ, "BENTOML_PORT": str(port)}
    return subprocess.run([sys.executable, "-m", f"{MODULE}.health", *path], cwd=ROOT, env=environment).returncode == 0


def test_it_has_what_serving_needs_and_no_more(bento: Path) -> None:
    files = {str(path.relative_to(bento / "src")) for path in (bento / "src").rglob("*") if path.is_file()}
    assert files >= {"service/api.py", "models/elman.py", "models/checkpoints/sunspots.safetensors"}
    assert {file for file in files if file.startswith(("training", "tests"))} == {"training/series/sunspots.csv"}
    assert files >= {"service/ui/index.html", "service/ui/vendor/LICENSE"}  # the page, which plays that series


def test_it_predicts_from_its_own_folder(server: Server) -> None:
    predictor = load(ROOT / "models/checkpoints/sunspots.safetensors").predictor("cpu")
    values = np.array([5.0, 11.0, 16.0])
    expected = predictor.observe(values[None, :, None], predictor.zero_context()).predictions
    answer = httpx2.post(f"{server.url}/predict", json={"values": values.tolist()}).json()
    assert answer["predictions"] == expected[0, :, 0].tolist()


def test_nothing_is_compiled_when_it_starts(bento: Path, cache: Path, server: Server) -> None:
    brought = {path.name: path.read_bytes() for path in (bento / "compiled").glob("*/*")}
    assert brought
    assert {path.name: path.read_bytes() for path in cache.glob("*/*")} == brought


def test_the_health_check_tells_a_service_from_none(server: Server) -> None:
    assert healthy(server.port)
    assert healthy(server.port, "/readyz")
    assert not healthy(server.port, "/nothing")
    assert not healthy(free_port())


def test_without_a_place_to_write_to_it_says_so_in_one_line(bento: Path, cache: Path) -> None:
    environment = {**os.environ, "BENTO_PATH": str(bento), "NUMBA_CACHE_DIR": "/proc/numba"}
    command = [sys.executable, "-m", MODULE, "--host", HOST]
    done = subprocess.run(command, cwd=bento / "src", env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"elman: /proc/numba.*: .*; the container needs a /tmp to write to\n", done.stderr)


def test_no_stage_of_the_image_installs_packages_of_the_system(dockerfile: str) -> None:
    assert not re.search(r"\bapt|\bapk\b|\byum\b|gcc|build-essential|\bgit\b|curl", dockerfile)


def test_what_is_served_comes_from_a_stage_that_is_left_behind(dockerfile: str) -> None:
    _, build, final = re.split(r"^FROM ", dockerfile, flags=re.MULTILINE)
    assert build.startswith("python:3.11-slim AS build")
    assert "uv pip install" in build
    assert final.startswith("python:3.11-slim\n")
    assert not re.search(r"\buv\b|\bpip\b", final)


def test_the_image_has_a_user_by_number_a_health_check_and_the_cpu_build_of_torch(dockerfile: str) -> None:
    assert re.findall("^USER .*", dockerfile, re.MULTILINE) == ["USER 1034:1034"]
    assert f'CMD ["python", "-m", "{MODULE}.health"]' in dockerfile
    assert f'ENTRYPOINT ["python", "-m", "{MODULE}"]' in dockerfile
    assert "ARG TORCH=cpu" in dockerfile


def test_the_image_sets_what_its_start_reads(dockerfile: str) -> None:
    for name in ("BENTO_PATH", "BENTOML_HOME=/tmp/", "NUMBA_CACHE_DIR=/tmp/", "BENTOML_HOST=0.0.0.0"):
        assert re.search(rf"ENV (.|\\\n)*{name}", dockerfile), name


def test_the_image_is_installed_by_the_uv_that_builds_the_bento(dockerfile: str) -> None:
    (version,) = re.findall(r"^uv==(\S+)", (ROOT / "tests/requirements.txt").read_text(), re.MULTILINE)
    assert f" uv=={version}\n" in dockerfile
