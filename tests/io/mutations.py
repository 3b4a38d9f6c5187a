"""Damage of the kinds that files meet, applied at random but reproducibly: for fuzzing the readers."""

import gzip
from collections.abc import Callable
from random import Random

import numpy as np

from molgen.structure import Structure
from tests.io.molecules import ammonium, benzene, methyl, rock_salt, water

Mutation = Callable[[bytes, Random], bytes]

NUMBERS = (
    *(b"nan", b"inf", b"-inf", b"1e400", b"1e308", b"-1", b"0", b"00", b"3", b"999", b"1000", b"-99", b"0x1p3"),
    *(b"999999999", b"-999999999", b"2147483648", b"99999999999999999999", b"9" * 5000, b"1_0", b"1,5", b"1d5", b""),
    *("\u0663".encode(), "\u00b2".encode(), b"+", b"-", b".", b"*", b"1.0.0", b"--1"),
)
GARBAGE = (
    *(b"$$$$\n", b"$$$$", b"M  END\n", b"M  V30 BEGIN ATOM\n", b"M  CHG  1 999 999\n", b"M  CHG 99\n", b"> <key>\n"),
    *(b"> <", b">", b"data_\n", b"data_x", b"loop_\n", b"_cell_length_a", b"3\n", b"\n0\n\n", b"\n\n\n", b"-\n"),
    *(b'"', b'\\"', b"'", b";\n", b"{", b"[", b"=", b'Properties="', b"pos:R:999999999", b'Lattice="', b"_JSON {"),
    *(b"#", b"\t", b" " * 300, b"(((((", b")", b"%99", b"*", b"R#", b"LP", b"D", b"T", b"Q", b"Du", b"999999999\n"),
    *(b"\x0b", b"\x0c", b"\x1c", b"\x1a", b"\xc2\x85", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\x00" * 40),
    *(b"V3000", b"  0  0", b"10001000"),
)
LONG = (b"A", b'"', b'\\"', b"9", b" ", b"(", b"'", b"C ", b"a=", b"1 ", b"\xff", b"[", b"C1", b"-")


def flip_bytes(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.randint(1, 8)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data))]


def behead(data: bytes, random: Random) -> bytes:
    return data[random.randrange(len(data)) :]


def delete_lines(data: bytes, random: Random) -> bytes:
    lines = data.splitlines(keepends=True)
    at = random.randrange(len(lines))
    return b"".join(lines[:at] + lines[at + random.randint(1, 3) :])


def duplicate_lines(data: bytes, random: Random) -> bytes:
    lines = data.splitlines(keepends=True)
    at = random.randrange(len(lines))
    end = at + random.randint(1, 5)
    return b"".join(lines[:end] + lines[at:end] * random.choice((1, 1, 2, 50)) + lines[end:])


def swap_lines(data: bytes, random: Random) -> bytes:
    lines = data.splitlines(keepends=True)
    one, other = random.randrange(len(lines)), random.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def corrupt_words(data: bytes, random: Random) -> bytes:
    """Whole words become other numbers or garbage; columns shift unless the lengths happen to agree."""
    lines = data.splitlines(keepends=True)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(lines))
        words = lines[at].split(b" ")
        filled = [k for k, word in enumerate(words) if word.strip()]
        if filled:
            k = random.choice(filled)
            words[k] = random.choice(NUMBERS) + (b"\n" if words[k].endswith(b"\n") else b"")
            lines[at] = b" ".join(words)
    return b"".join(lines)


def corrupt_columns(data: bytes, random: Random) -> bytes:
    """Some characters are overwritten by a number, right-aligned, so that fixed columns stay in place."""
    start = random.randrange(len(data))
    width = random.choice((3, 3, 10))
    text = random.choice(NUMBERS)[:width].rjust(width)
    return data[:start] + text + data[start + width :]


def insert_garbage(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data))
    if random.random() < 0.5:
        at = data.rfind(b"\n", 0, at) + 1
    return data[:at] + b"".join(random.choice(GARBAGE) for _ in range(random.randint(1, 4))) + data[at:]


def insert_long_line(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data))
    text = random.choice(LONG)
    return data[:at] + text * (random.choice((3_000, 50_000, 200_000)) // len(text)) + data[at:]


def change_line_ends(data: bytes, random: Random) -> bytes:
    return data.replace(b"\n", random.choice((b"\r\n", b"\r", b"\n\r", b"\r\r\n", b"\n\n", b" \n", b"\x85", b"")))


def delete_bytes(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + data[at + random.randint(1, 20) :]


def shuffle_inside(data: bytes, random: Random) -> bytes:
    """A piece of the file is moved to another place of it."""
    one, other = sorted(random.randrange(len(data)) for _ in range(2))
    at = random.randrange(len(data))
    return data[:at] + data[one : min(other, one + 400)] + data[at:]


MUTATIONS: tuple[Mutation, ...] = (
    *(flip_bytes, truncate, behead, delete_lines, duplicate_lines, swap_lines, corrupt_words, corrupt_words),
    *(corrupt_columns, insert_garbage, insert_long_line, change_line_ends, delete_bytes, shuffle_inside),
)


def mutate(data: bytes, random: Random, others: tuple[bytes, ...] = ()) -> bytes:
    """One to three kinds of damage, now and then with a piece of another format."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if not data:
            break
        if others and random.random() < 0.06:
            piece = truncate(behead(random.choice(others), random), random) if random.random() < 0.5 else others[0]
            at = random.randrange(len(data))
            data = data[:at] + piece + data[at:]
        else:
            data = random.choice(MUTATIONS)(data, random)
    return data


def mutate_gzip(data: bytes, random: Random) -> bytes:
    """A compressed file, damaged after (seldom before) it was compressed."""
    if random.random() < 0.3:
        return gzip.compress(mutate(data, random))
    packed = gzip.compress(data)
    damage = random.randrange(5)
    if damage == 0:
        return packed + random.choice((b"\x00" * 20, b"garbage", packed[:9], packed[: len(packed) // 2], packed))
    if damage == 1:
        return packed[: random.randrange(2, len(packed))]
    return (b"\x1f\x8b" + flip_bytes(packed, random)[2:]) if damage < 4 else delete_bytes(packed, random)


def good_structures() -> list[Structure]:
    """Ten molecules with names that differ, charges, bonds and properties."""
    made = [water(), ammonium(), methyl(), benzene(), water()] * 2
    far = np.array([20_000.0, 0.0, 0.0])  # too far for V2000
    return [
        molecule.replace(
            name=f"m{k}",
            positions=molecule.positions + (far if k in (3, 6) else 0.0),
            properties={"rank": k, "energy": -1.5 * k, "note": "two words"},
        )
        for k, molecule in enumerate(made)
    ]


def good_crystals() -> list[Structure]:
    return [rock_salt().replace(name=f"c{k}", properties={}) for k in range(3)]
