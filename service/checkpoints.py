"""Where the checkpoint to serve comes from: a file, or the BentoML model store."""

from pathlib import Path

import bentoml
from bentoml.exceptions import BentoMLException

from models import Checkpoint, CheckpointError, load


def open_checkpoint(name: str) -> Checkpoint:
    """A path is read as a file; a tag `NAME:VERSION` as the one .safetensors file of that model in the store.

    Raises:
        CheckpointError: there is none, or it cannot be trusted.
    """
    return load(_from_store(name) if _is_tag(name) else Path(name))


def _is_tag(name: str) -> bool:
    model, colon, version = name.partition(":")
    return bool(model and colon and version) and "/" not in name and not Path(name).exists()


def _from_store(tag: str) -> Path:
    try:
        folder = Path(bentoml.models.get(tag).path)
    except BentoMLException:
        raise CheckpointError(f"{tag}: not in the BentoML model store; `bentoml models list` shows what is") from None
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise CheckpointError(f"{tag}: the model must hold one .safetensors file, it holds {len(files)}")
    return files[0]
