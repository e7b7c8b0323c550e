"""Columns and strings of the contract, read as lists with None for null, and written. Part of `converter_sdk`."""

from typing import Iterable, List, Optional, Sequence

from componentize_py_types import Err
from wit_world.imports.types import (
    Column,
    ColumnType,
    Problem,
    Strings,
    Text,
    Values_Booleans,
    Values_Floats,
    Values_Integers,
    Values_Texts,
    Values_Timestamps,
    Values_Unsigneds,
)

# What the columns of a type are read and written as. Contract 0.1 has no such types.
_LIKE = {}
for _name, _like in (("TIME_OF_DAY", ColumnType.INTEGER), ("DURATION", ColumnType.INTEGER),
                     ("UUID", ColumnType.TEXT), ("BINARY", ColumnType.TEXT)):
    if hasattr(ColumnType, _name):
        _LIKE[getattr(ColumnType, _name)] = _like


def _exactly(wanted: Optional[ColumnType], rows: list) -> list:
    """Numbers in the type that the converter accepts."""
    if wanted not in (ColumnType.INTEGER, ColumnType.UNSIGNED, ColumnType.FLOAT):
        return rows
    number = float if wanted == ColumnType.FLOAT else int
    least, most = {ColumnType.INTEGER: (-(2**63), 2**63), ColumnType.UNSIGNED: (0, 2**64)}.get(wanted, (None, None))
    exact = []
    for value in rows:
        try:
            converted = None if value is None else number(value)
        except (OverflowError, ValueError):  # Infinities and NaN.
            converted = None
        in_range = least is None or converted is None or least <= converted < most
        if converted != value or not in_range:
            message = f"{value} cannot be read as {wanted.name.lower()} without changing it"
            raise Err(Problem("inexact-value", message, None))
        exact.append(converted)
    return exact


def _read_strings(strings: Strings) -> List[Optional[str]]:
    """The strings, with None for null."""
    offsets, data = strings.offsets, strings.data
    values = [str(data[start:end], "utf-8") for start, end in zip(offsets, offsets[1:])]
    return _with_nulls(values, strings.validity)


def _write_strings(values: List[Optional[str]]) -> Strings:
    """The counterpart of `_read_strings`."""
    parts = [b"" if value is None else value.encode() for value in values]
    offsets, end = [0], 0
    for part in parts:
        end += len(part)
        offsets.append(end)
    return Strings(offsets if parts else [], b"".join(parts), _validity(values))


def _read_column(column: Column, rows: int) -> list:
    """The rows of a column, with None for null. The strings of a text column are shared by the rows that have them."""
    values = column.values
    if isinstance(values, Values_Booleans):
        rows_of = _bits(values.value, rows)
    elif isinstance(values, Values_Texts):
        dictionary = _read_strings(values.value.dictionary)
        size = len(dictionary)
        # The code of a null row means nothing, and need not be in the dictionary.
        rows_of = [dictionary[code] if code < size else None for code in values.value.codes]
    else:
        rows_of = values.value
    return _with_nulls(rows_of, column.validity)


def _write_column(column_type: ColumnType, rows: Iterable) -> Column:
    """The counterpart of `_read_column`."""
    column_type = _LIKE.get(column_type, column_type)
    rows = list(rows)
    validity = _validity(rows)
    if column_type == ColumnType.TEXT:
        codes: dict = {}
        row_codes = [0 if value is None else codes.setdefault(value, len(codes)) for value in rows]
        # A column of nulls has a word for its codes to name.
        return Column(Values_Texts(Text(row_codes, _write_strings(list(codes) or [""]))), validity)
    if column_type == ColumnType.BOOLEAN:
        return Column(Values_Booleans(_bitmap(rows)), validity)
    wrap = {
        ColumnType.INTEGER: Values_Integers,
        ColumnType.UNSIGNED: Values_Unsigneds,
        ColumnType.FLOAT: Values_Floats,
        ColumnType.TIMESTAMP: Values_Timestamps,
    }[column_type]
    return Column(wrap(rows if validity is None else [0 if value is None else value for value in rows]), validity)


def _with_nulls(values: list, validity: Optional[bytes]) -> list:
    if validity is None:
        return values
    return [value if valid else None for value, valid in zip(values, _bits(validity, len(values)))]


def _validity(values: list) -> Optional[bytes]:
    return _bitmap([value is not None for value in values]) if None in values else None


def _bits(bitmap: bytes, count: int) -> List[bool]:
    return [bool(bitmap[index >> 3] >> (index & 7) & 1) for index in range(count)]


def _bitmap(bits: Sequence) -> bytes:
    bitmap = bytearray((len(bits) + 7) // 8)
    for index, bit in enumerate(bits):
        if bit:
            bitmap[index >> 3] |= 1 << (index & 7)
    return bytes(bitmap)
