"""A copy of the embedded data set, so that caches do not land in the repository, and its reference."""

import shutil

import pytest

from molgen.datasets.find import resolve
from molgen.scoring.distributions.reference import DistributionReference


@pytest.fixture(scope="session")
def embedded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "embedded"
    shutil.copytree(resolve("embedded"), folder, ignore=shutil.ignore_patterns("*.npz"))
    return folder


@pytest.fixture(scope="session")
def embedded_reference(embedded):
    return DistributionReference.open(embedded)
