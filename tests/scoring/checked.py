"""A protocol's row of one structure, whatever the protocol: it has the columns that were declared, of their kinds."""

from molgen.scoring.protocols import make_protocol
from molgen.scoring.subject import Subject

KINDS = {"bool": bool, "int": int, "float": float, "str": str}


def checked(name, structure):
    protocol = make_protocol(name)
    row = protocol.check(Subject(structure))
    assert set(row) == {column.name for column in protocol.columns}
    for column in protocol.columns:
        assert row[column.name] is None or type(row[column.name]) is KINDS[column.kind], column
    return row
