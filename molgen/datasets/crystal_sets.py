"""The published sets of crystals: what they are, where their files lie, and the checksums of those files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from molgen.datasets.download import RemoteFile
from molgen.datasets.layout import SPLITS

CDVAE = "https://raw.githubusercontent.com/txie-93/cdvae/f857f598d6f6cca5dc1ea0582d228f12dcc2c2ea/data"
DIFFCSP = "https://raw.githubusercontent.com/jiaor17/DiffCSP/7121d159826efa2ba9500bf299250d96da37f146/data"
UNITS: Mapping[str, str] = {
    "formation_energy_per_atom": "eV/atom",
    "energy_above_hull": "eV/atom",
    "energy_per_atom": "eV/atom",
    "band_gap": "eV",
    "heat_all": "eV/atom",
    "heat_ref": "eV/atom",
    "dir_gap": "eV",
    "ind_gap": "eV",
}
"""Units of properties that the published files state."""
_XIE = "Xie, Fu, Ganea, Barzilay, Jaakkola, ICLR 2022, arXiv:2110.06197"


@dataclass(frozen=True)
class CrystalSet:
    """One published set.

    Attributes:
        name: As our commands call it.
        title: As papers call it.
        files: The published CSV file of each split; the checksum is the id that git gives to its contents.
        counts: Published number of rows of each split.
        about: Level of theory, licence, citation.
    """

    name: str
    title: str
    files: Mapping[str, RemoteFile]
    counts: Mapping[str, int]
    about: Mapping[str, Any] = field(default_factory=dict)


def _set(
    title: str, folder: str, blobs: tuple[str, str, str], counts: tuple[int, int, int], about: dict[str, str]
) -> CrystalSet:
    name = title.lower().replace("-", "")
    files = {
        split: RemoteFile(f"{folder}/{file}.csv", f"{name}_{file}.csv", f"git:{blob}")
        for split, file, blob in zip(SPLITS, ("train", "val", "test"), blobs, strict=True)
    }
    return CrystalSet(name, title, files, dict(zip(SPLITS, counts, strict=True)), about)


CRYSTAL_SETS: Mapping[str, CrystalSet] = {
    made.name: made
    for made in (
        _set(
            "MP-20",
            f"{CDVAE}/mp_20",
            (
                "b1c9d498565ac2fd8d075a51ff2ef5e51ba6c21f",
                "7efe4d7ebeb4f460ceaad35e5326c42111d9c9a1",
                "5dc643041df53f5ce4970a79930ad262b4f07acd",
            ),
            (27_136, 9_047, 9_046),
            {
                "level": "DFT relaxed (Materials Project); up to 20 atoms, within 0.08 eV/atom of the hull",
                "licence": "CC BY 4.0",
                "citation": f"Jain et al., APL Materials 1, 011002 (2013); {_XIE}",
            },
        ),
        _set(
            "Perov-5",
            f"{CDVAE}/perov_5",
            (
                "0769074b5d51d293b765c4371b8f55c468c9c9f2",
                "4a2c8dde98347dd0e01fa83dcf3982c2abe98f9f",
                "d3c5d5af4b27a2a139149f2bb73c8a3dba9d8ac1",
            ),
            (11_356, 3_787, 3_785),
            {
                "level": "DFT relaxed ABX3 perovskites, most of them not stable",
                "licence": "none stated with the data; the CDVAE repository that publishes them is MIT",
                "citation": f"Castelli et al., Energy Environ. Sci. 5, 5814 and 9034 (2012); {_XIE}",
            },
        ),
        _set(
            "Carbon-24",
            f"{CDVAE}/carbon_24",
            (
                "5e7ae970fbad8ddc46b6963e8cd6e425f11783a6",
                "b3e29b927883642426ca1d9632d00359b412742b",
                "9beca843fde489de1fe288b32f9e3ff710d42803",
            ),
            (6_091, 2_032, 2_030),
            {
                "level": "DFT relaxed at 10 GPa after random search: the tenth of lowest energy, up to 24 atoms",
                "licence": "open access at Materials Cloud; the CDVAE repository is MIT",
                "citation": f"Pickard, doi:10.24435/materialscloud:2020.0026/v1 (2020); {_XIE}",
            },
        ),
        _set(
            "MPTS-52",
            f"{DIFFCSP}/mpts_52",
            (
                "28c53b0a0fd3f32fb8078aca8e5b484e372790c6",
                "a377ba0ca7bee37ee69d9f50f8362eaa35d9f690",
                "2e8af159618f63be346b6527f155514323964423",
            ),
            (27_380, 5_000, 8_096),
            {
                "level": "DFT relaxed (Materials Project); up to 52 atoms, split by year of discovery",
                "licence": "CC BY 4.0",
                "citation": "Jain et al., APL Materials 1, 011002 (2013); Baird et al., matbench-genmetrics (2024); "
                "split as in Jiao et al., NeurIPS 2023, arXiv:2309.04475",
            },
        ),
    )
}
"""By our name."""
