import os
import shlex
import subprocess
import sys
from pathlib import Path

import torch

from molgen.training.folder import began_with
from tests.training.conftest import OVERRIDES

FEW = ("training.steps=4", "training.learning_rate=0.001", "training.decay=none", "training.validate_every=4")


def test_two_processes_train_as_one(run, recipe, tiny, tmp_path):
    """Gloo on the CPU: the same batches, the same noise, and therefore the same gradients, moments and weights."""
    command = [str(Path(sys.executable).parent / "molgen"), "train", "edm_embedded", f"data.name={tiny}", *OVERRIDES]
    command += [*FEW, "--out", str(tmp_path / "two"), "--device", "cpu", "--devices", "2", "--strategy", "ddp"]
    for words in (command, [*command, "--resume"]):
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=240, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        assert done.returncode == 0, done.stderr
    recorded = [shlex.join(["molgen", *words[1:]]) for words in (command, [*command, "--resume"])]
    assert began_with(tmp_path / "two")["commands"] == recorded, "each is recorded once, not by every process"
    one = torch.load(run(recipe(*FEW), "one") / "checkpoints" / "last.ckpt", weights_only=True)
    two = torch.load(tmp_path / "two" / "checkpoints" / "last.ckpt", weights_only=True)
    assert one["global_step"] == two["global_step"] == 4
    assert one["state_dict"].keys() == two["state_dict"].keys()
    for name, weight in one["state_dict"].items():
        torch.testing.assert_close(two["state_dict"][name], weight, rtol=0, atol=1e-6)
    moments = [checkpoint["optimizer_states"][0]["state"] for checkpoint in (one, two)]
    for number, state in moments[0].items():
        torch.testing.assert_close(moments[1][number]["exp_avg"], state["exp_avg"], rtol=1e-4, atol=1e-7)
    norms = [torch.tensor(checkpoint["gradient_norms"]) for checkpoint in (one, two)]
    torch.testing.assert_close(norms[1], norms[0], rtol=1e-5, atol=0)
