"""Triton: the server itself with its python backend, as NVIDIA's container runs it; a model repository of one model.

The program comes out of the wheel nvidia-pytriton, whose own way to serve is not used.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from tests.benchmarks.peers.address import address

HERE = Path(__file__).parent
SERVER = Path(sysconfig.get_path("platlib"), "pytriton", "tritonserver")


def repository(folder: Path) -> Path:
    """The folder, with the model in it."""
    model = folder / "elman"
    (model / "1").mkdir(parents=True)
    shutil.copy(HERE / "triton.pbtxt", model / "config.pbtxt")
    shutil.copy(HERE / "triton_model.py", model / "1" / "model.py")
    return folder


def place_stub(backend: Path) -> None:
    """The backend looks for its program only beside itself; the wheel has one for every version of Python."""
    stub = backend / "triton_python_backend_stub"
    shutil.copy(
        SERVER / "python_backend_stubs" / f"{sys.version_info.major}.{sys.version_info.minor}" / stub.name, stub
    )
    stub.chmod(0o755)


if __name__ == "__main__":
    options = address()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), sysconfig.get_path("platlib")])
    place_stub(SERVER / "backends" / "python")
    arguments = {
        "model-repository": repository(Path(os.environ["REPOSITORY"])),
        "backend-directory": SERVER / "backends",
        "http-address": options.host,
        "http-port": options.port,
        "exit-timeout-secs": 1,  # it would wait for sequences to end
        "allow-grpc": "false",
        "allow-metrics": "false",
    }
    program = SERVER / "bin" / "tritonserver"
    os.execv(program, [str(program), *(f"--{name}={value}" for name, value in arguments.items())])
