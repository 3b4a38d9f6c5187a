"""`molgen data`: prepare data sets, list and describe them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Prepare, list and describe data sets.", no_args_is_help=True)


@app.command(epilog="Example: molgen data prepare qm9")
def prepare(
    what: Annotated[str, typer.Argument(help="qm9, or a file of your own", metavar="qm9|FILE")],
    source: Annotated[Path | None, typer.Option(help="local copy")] = None,
    hydrogens: Annotated[bool, typer.Option(help="Keep hydrogen atoms.")] = True,
    overwrite: Annotated[bool, typer.Option(help="Replace a data set of that name.")] = False,
) -> None:
    """Make a data set."""
    from molgen.cli.progress import progress_bar
    from molgen.datasets import find, flat, qm9_prepare

    assert source
    arrays = flat.read_flat(source)
    codes = qm9_prepare.codes_for(source, None, arrays)
    with progress_bar("packing", "molecules") as report:
        made = qm9_prepare.prepare_qm9(
            lambda on_error: flat.flat_structures(arrays, on_error),
            find.data_home() / ("qm9" if hydrogens else "qm9-noh"),
            codes=codes,
            source=str(source),
            units={},
            hydrogens=hydrogens,
            overwrite=overwrite,
            progress=report,
        )
    print(made)
