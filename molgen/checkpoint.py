"""Checkpoints: weights in safetensors, everything else as JSON in its metadata. Loading runs no code from the file."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from molgen.config import recipe_from_dict
from molgen.errors import InputError, MissingError, OutputError
from molgen.models import DataSummary, build

FORMAT = "molgen-checkpoint-1"
WEIGHTS_FILE = "model.safetensors"


@dataclass
class Checkpoint:
    """A published or running model.

    Attributes:
        recipe: The resolved recipe it was trained by, as nested dictionaries.
        data: Elements and sizes of its training set.
        provenance: Data-set name and fingerprint, seed, steps, git commit, hardware, versions, time.
        weights: Averaged weights by parameter name, of the types that they are stored in.
    """

    recipe: dict[str, Any]
    data: DataSummary
    provenance: dict[str, Any]
    weights: dict[str, torch.Tensor] = field(repr=False)

    def save(self, folder: Path) -> Path:
        """Write ``folder/model.safetensors`` with its :meth:`sha256`, replacing it in one step.

        Raises:
            OutputError: It cannot be written.
        """
        folder = Path(folder)
        metadata = {"format": FORMAT, "recipe": self.recipe, "data": self.data.to_dict(), "provenance": self.provenance}
        metadata |= {"sha256": self.sha256()}
        temporary = folder / f".{WEIGHTS_FILE}.{os.getpid()}"
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.weights.items()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            save_file(weights, temporary, metadata={"molgen": json.dumps(metadata)})
            temporary.chmod(0o644)  # safetensors makes files that only their owner reads
            temporary.replace(folder / WEIGHTS_FILE)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise OutputError.from_os_error(error, folder / WEIGHTS_FILE) from error
        except SafetensorError as error:  # safetensors reports a full disk as its own error
            with suppress(OSError):
                temporary.unlink()
            raise OutputError(f"cannot write {folder / WEIGHTS_FILE}: {error}") from error
        return folder / WEIGHTS_FILE

    @classmethod
    def load(cls, path: str | Path) -> Checkpoint:
        """Read a checkpoint folder or its ``.safetensors`` file.

        Raises:
            MissingError: Nothing is there.
            InputError: The file is damaged, so that its SHA-256 is another than it was saved with, or is not a molgen
                checkpoint.
        """
        file = find(path)
        try:
            with safe_open(file, framework="pt") as opened:
                metadata = json.loads((opened.metadata() or {}).get("molgen", "{}"))
                weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a mapping)
        except (SafetensorError, ValueError, OSError) as error:
            raise InputError(f"{file} is damaged or is not a safetensors file: {error}") from error
        if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
            raise InputError(
                f"{file} is a safetensors file but not a {FORMAT} checkpoint",
                hint="only checkpoints written by molgen carry the settings needed to rebuild the model",
            )
        try:
            loaded = cls(metadata["recipe"], DataSummary.from_dict(metadata["data"]), metadata["provenance"], weights)
            # Checkpoints saved by versions that did not record it have none.
            is_whole = "sha256" not in metadata or metadata["sha256"] == loaded.sha256()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{file}: its metadata lacks or garbles {error}") from error
        if not is_whole:
            raise InputError(
                f"{file} is damaged: its weights or settings are not those it was saved with (SHA-256 differs)",
                hint="get the file again",
            )
        return loaded

    def sha256(self) -> str:
        """Of all that decides which molecules given settings of sampling make, in hexadecimal.

        That is: every tensor's name, type, shape and bytes as stored, the model's settings but for those of sampling
        (``sample_*``), and the data summary. Provenance plays no part, so a score can name the weights it was measured
        on and then be written beside them.
        """
        model = self.recipe["model"]
        fixed = {name: value for name, value in model.items() if not name.startswith("sample_")}
        # Molecules have no lattice; leaving it out keeps the digests from before there were crystals.
        facts = {name: value for name, value in self.data.to_dict().items() if value or not name.startswith("lattice")}
        digest = hashlib.sha256(json.dumps([fixed, facts], sort_keys=True).encode())
        for name, tensor in sorted(self.weights.items()):
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
            digest.update(flat.view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def build(self, device: torch.device | str = "cpu") -> Any:
        """The model with these weights, cast to the types of its parameters, in evaluation mode.

        Raises:
            ConfigError: The recorded settings are not valid for this version.
            InputError: The weights do not fit the recorded settings.
        """
        model = build(recipe_from_dict(self.recipe, "checkpoint").model, self.data)
        try:
            model.load_state_dict(self.weights)
        except RuntimeError as error:
            first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
            raise InputError(f"the checkpoint's weights do not fit its own settings: {first}") from error
        if any(not bool(torch.isfinite(w).all()) for w in self.weights.values() if w.is_floating_point()):
            raise InputError("the checkpoint holds weights that are not finite numbers")
        return model.to(device).eval()


def find(path: str | Path) -> Path:
    """The weights file of a checkpoint: a file, a folder, or a name under ``$MOLGEN_CHECKPOINTS`` or ``checkpoints/``.

    Raises:
        MissingError: There is none.
    """
    root = Path(os.environ.get("MOLGEN_CHECKPOINTS", "checkpoints"))
    for candidate in (Path(path), Path(path) / WEIGHTS_FILE, root / path / WEIGHTS_FILE):
        if candidate.is_file():
            return candidate
    raise MissingError(
        f"no checkpoint at {path}: neither a file, nor a folder with {WEIGHTS_FILE}, nor a name under {root}/",
        hint="`molgen models` lists what is here; `molgen train` makes one",
    )
