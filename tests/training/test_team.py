import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from models import load
from tests.training.examples import QUICK, logistic, trained
from training.team import Team, team

ROOT = Path(__file__).parents[2]
SERIES = [logistic(300, 0.3), logistic(150, 0.4), logistic(280, 0.35)]  # the second has fewer windows

OPTIONS = replace(QUICK, hidden_size=6, epochs=1)
FLAGS = ("--nproc-per-node", "2", "--master-addr", "127.0.0.1", "--master-port")

MEMBER = """
import sys
import torch
from models import save
from tests.training.examples import dataset, splits
from tests.training.test_team import OPTIONS, SERIES
from training.team import team
from training.train import train

torch.set_num_threads(1)
with team() as members:
    assert members.size == 2
    assert members.most(members.rank) == 1
    assert members.gathered(members.rank) == [0, 1]
    assert members.total(torch.tensor(3 + members.rank)) == 7
    for count in (3, 1):
        series = SERIES[:count]
        trained = train(dataset(*series), splits(*series), OPTIONS, team=members, names=("naive",))
        assert len(trained.judgements) == (count if members.leads else 0)
        save(trained.checkpoint, f"{sys.argv[1]}/{count}-{members.rank}")
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_process_by_itself_is_a_team_of_one() -> None:
    with team() as alone:
        assert alone == Team(0, 1)
        assert alone.leads
        assert alone.share([1, 2, 3]) == [1, 2, 3]
        assert alone.total(torch.tensor(2.0)) == 2
        assert alone.most(5) == 5
        assert alone.gathered("x") == ["x"]


def test_the_members_share_everything_among_themselves() -> None:
    shares = [Team(rank, 3).share(range(8)) for rank in range(3)]
    assert shares == [[0, 3, 6], [1, 4, 7], [2, 5]]
    assert Team(2, 3).share([1]) == []


def test_two_processes_train_the_network_that_one_trains(tmp_path: Path) -> None:
    """Also where there are fewer series than members; and only the leader judges."""
    script = tmp_path / "member.py"
    script.write_text(MEMBER)
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *FLAGS, str(free_port()), script, tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=60,
        capture_output=True,
    )
    for count in (3, 1):
        one = trained(*SERIES[:count], options=OPTIONS).checkpoint
        for rank in range(2):
            member = load(tmp_path / f"{count}-{rank}")
            assert member.network.config == one.network.config
            expected, outputs = (
                predictor.observe(SERIES[0][None], predictor.zero_context()).predictions
                for predictor in (one.predictor("cpu"), member.predictor("cpu"))
            )
            np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-6 * one.scaler.scale[0])
