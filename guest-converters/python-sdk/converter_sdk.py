"""Everything that a converter in Python needs: a plan builder, column views, and the exports made of them.

A converter says what the columns of a dataset mean. It is two methods, and never sees a row:

    import converter_sdk
    from converter_sdk import ColumnType, Description, PlanBuilder, Point

    class Converter(converter_sdk.Converter):
        def describe(self):
            return Description("weather", "1.0.0", "weather", "Hourly observations of weather stations")

        def plan(self, plan: PlanBuilder):
            point = Point("weather", plan.required("observed_at", ColumnType.TIMESTAMP))
            # Runs once for each distinct station, not for each row.
            point.tag("station", plan.translate(plan.required("station", ColumnType.TEXT), lambda name: name and name.strip()))
            point.field("celsius", plan.required("celsius", ColumnType.FLOAT), missing="no-temperature")
            return [point]

Sources of tags and fields, from the cheapest on: a column as it stands (`required`, `optional`), a translation of its
distinct values (`translate`), a column computed from rows (`compute`). What is documented in `wit/converter.wit` is not
repeated here.
"""

# Modules that the standard library imports when they are first needed, when there are no files to import them from any more:
# the component keeps what is imported while it is built.
import _strptime  # noqa: F401  `datetime.strptime`
import encodings.cp1252  # noqa: F401  `bytes.decode`
import encodings.idna  # noqa: F401
import encodings.latin_1  # noqa: F401
import encodings.utf_16  # noqa: F401
import encodings.utf_8_sig  # noqa: F401
import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache, wraps
from typing import Callable, Iterable, List, Optional, Sequence, Union

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import host
from wit_world.imports.types import (
    Batch,
    Column,
    ColumnSchema,
    ColumnType,
    Constant_Boolean,
    Constant_Float,
    Constant_Integer,
    Constant_Text,
    Converted,
    Description,
    Field,
    FieldType,
    Input,
    Key_Name,
    Key_Translated,
    Mask_Rows,
    Missing_Omit,
    Missing_Reject,
    Plan,
    Problem,
    Rejection,
    Source_Column,
    Source_Computed,
    Source_Constant,
    Source_Translated,
    Strings,
    Tag,
    Text,
    Values_Booleans,
    Values_Floats,
    Values_Integers,
    Values_Texts,
    Values_Timestamps,
    Values_Unsigneds,
)
from wit_world.imports.types import Point as WitPoint

try:
    # The project's `wit` directory has the contract: 0.2, or 0.1, which has no row numbers.
    from wit_world.imports.types import Key_Joined, KeyPart_Text, KeyPart_Translated, Source_RowNumber
except ImportError:
    Key_Joined = Source_RowNumber = None

Source = Union[Source_Column, Source_Translated, Source_Computed, bool, int, float, str]
"""A column, a translation, a computed column, or a constant."""


def log(message: str, level: host.Level = host.Level.INFO) -> None:
    """Writes to the loader's log, under the converter's name."""
    host.log(level, message)


_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@lru_cache(maxsize=100_000)
def timestamp(text: Optional[str]) -> Optional[int]:
    """Reads RFC 3339, or the same without an offset, which means UTC, as nanoseconds since the epoch. Everything else, and
    what 64 bits cannot hold, gives None."""
    match = _TIME.fullmatch(text) if text is not None else None
    if match is None:
        return None
    day, time, fraction, zone = match.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{time}{(zone or 'Z').upper()}")
    except ValueError:
        return None
    nanoseconds = (at - _EPOCH) // timedelta(seconds=1) * 10**9 + int((fraction or "0").ljust(9, "0"))
    return nanoseconds if -(2**63) <= nanoseconds < 2**63 else None


class Point:
    """A point that every row gives; a row whose time is missing is rejected as `invalid-timestamp`."""

    def __init__(self, measurement: Union[str, Source_Translated], time: Source, when: Optional[int] = None):
        if Source_RowNumber is not None:
            measurement = _key(measurement)
        elif not isinstance(measurement, str):
            raise Err([_beyond("a measurement from a translation")])
        self._point = WitPoint(measurement, _source(time), [], [], when)

    def tag(self, key: Union[str, Source_Translated], source: Source, *, when: Optional[int] = None,
            missing: Optional[str] = None) -> None:
        """Adds a tag. `missing` is the code under which a row without a value is rejected; None leaves the tag out."""
        self._point.tags.append(Tag(_key(key), _source(source), when, _missing(missing)))

    def field(self, key: Union[str, Source_Translated], source: Source, *, write_as: Optional[FieldType] = None,
              when: Optional[int] = None, missing: Optional[str] = None) -> None:
        """Adds a field. `missing` is the code under which a row without a value is rejected; None leaves the field out."""
        self._point.fields.append(Field(_key(key), _source(source), write_as, when, _missing(missing)))


def row_number():
    """The number of the row in its object, from 0: a source of contract 0.2."""
    if Source_RowNumber is None:
        raise Err([_beyond("row numbers")])
    return Source_RowNumber()


def joined(*parts: Union[str, Source_Translated]):
    """A key or a measurement of two to eight parts, texts and translations, of contract 0.2. Missing where one of the
    translations gives None."""
    if Key_Joined is None:
        raise Err([_beyond("a joined key")])
    return Key_Joined([KeyPart_Text(part) if isinstance(part, str) else KeyPart_Translated(part.value) for part in parts])


def _beyond(what: str) -> Problem:
    message = f"the plan has {what}, which contract 0.1 cannot say: put contract 0.2 into the project's `wit` directory"
    return Problem("needs-contract-0-2", message, None)


class PlanBuilder:
    """A plan being made for an object. Problems are collected, so that the object fails with all of them at once."""

    def __init__(self, input: Input):
        self.input = input
        self._problems: List[Problem] = []
        # A column of the list whose elements give the points.
        self._each: Optional[int] = None
        self._translated: List[int] = []
        self._reads: List[int] = []
        self._types: List[ColumnType] = []
        self._translations: List[Callable] = []
        self._computed: List[Callable] = []
        self._masks: List[Callable] = []
        self._rejections: List[Callable] = []
        # Columns that are used in another type than their own.
        self._widened: dict = {}

    def problem(self, code: str, message: str, column: Optional[str] = None) -> None:
        """Adds a problem: the object fails."""
        self._problems.append(Problem(code, message, column))

    def optional(self, name: str, *accepted: ColumnType) -> Optional[Source_Column]:
        """The column of this name, if there is one. Another type than those accepted is a problem; but numbers are used as
        those of another type that is accepted, each exactly or its row is rejected, and a column of nulls as every type."""
        named = [index for index, column in enumerate(self.input.columns) if column.name == name]
        if not named:
            return None
        column = self.input.columns[named[0]]
        of_list = getattr(column, "in_list", None)
        if of_list is not None and (self._each is None or of_list != self.input.columns[self._each].in_list):
            message = f"the column `{name}` is part of the list `{of_list}`: it can be used after `each(\"{of_list}\")`, one list a plan"
            self.problem("column-of-a-list", message, name)
        elif len(named) > 1:
            self.problem("ambiguous-column", f"several columns have the name `{name}`", name)
        elif column.column_type not in accepted and not self._widen(named[0], column, accepted):
            names = " or ".join(each.name.lower().replace("_", "-") for each in accepted)
            self.problem("invalid-column-type", f"the column `{name}` must be {names}: `{column.source_type}`", name)
        return Source_Column(named[0])

    def each(self, name: str) -> None:
        """Has each element of a list give the points, instead of each row. Call it before the list's columns are asked for. The
        columns of a list of structs are `LIST.FIELD`, that of a list of values is `LIST`, and the place of the element in its list,
        from 0, is `LIST.#`; other columns are copied for each element. That there is no such list is a problem, `missing-list`."""
        if Source_RowNumber is None:
            raise Err([_beyond("points for each element of a list")])
        columns = enumerate(self.input.columns)
        of_list = [index for index, column in columns if column.in_list == name and column.column_type != ColumnType.OTHER]
        if of_list:
            self._each = of_list[0]
        else:
            self.problem("missing-list", f"the dataset `{self.input.dataset}` requires the list `{name}`", name)

    def _widen(self, index: int, column: ColumnSchema, accepted: Sequence[ColumnType]) -> bool:
        numbers = [ColumnType.INTEGER, ColumnType.UNSIGNED, ColumnType.FLOAT]
        if column.source_type == "Null":
            usable = list(accepted)
        elif column.column_type == getattr(ColumnType, "UUID", None):
            usable = [ColumnType.TEXT] if ColumnType.TEXT in accepted else []
        else:
            usable = [number for number in numbers if column.column_type in numbers and number in accepted]
        if usable:
            self._widened[index] = usable[0]
        return bool(usable)

    def required(self, name: str, *accepted: ColumnType) -> Source_Column:
        """The column of this name. That there is none is a problem, `missing-column`."""
        column = self.optional(name, *accepted)
        if column is None:
            message = f"the dataset `{self.input.dataset}` requires the column `{name}`"
            self.problem("missing-column", message, name)
            # Stands for the column, so that the problems of others are found too; such a plan is never used.
            return Source_Column(0)
        return column

    def partition(self, name: str) -> str:
        """The value of the last segment `name=value` of the object's key. That there is none is a problem,
        `missing-partition`. Hive's name for null is an empty text: a tag goes without it."""
        values = [value for known, value in self.input.partitions if known == name]
        if not values:
            required = f"the dataset `{self.input.dataset}` requires the partition `{name}`"
            self.problem("missing-partition", f"{required}: the object's key has no segment `{name}=VALUE/`")
            return ""
        return "" if values[-1] == "__HIVE_DEFAULT_PARTITION__" else values[-1]

    def translate(self, column: Source_Column,
                  function: Callable[[Optional[str]], Optional[str]]) -> Source_Translated:
        """Translates each distinct value of a column, and its null. What the function gives depends on the value alone;
        None is no value."""
        self._translated.append(column.value)
        self._translations.append(function)
        return Source_Translated(len(self._translated) - 1)

    def compute(self, column_type: ColumnType, reads: Sequence[Source_Column],
                function: Callable[..., Iterable]) -> Source_Computed:
        """Computes a column. The function gets the rows of each column that it reads, as lists with None for null, and
        gives one value a row."""
        self._computed.append((column_type, self._positions(reads), function))
        self._types.append(column_type)
        return Source_Computed(len(self._types) - 1)

    def mask(self, reads: Sequence[Source_Column], function: Callable[..., Iterable[bool]]) -> int:
        """Chooses rows: True for those that have the tag, field or point."""
        self._masks.append((self._positions(reads), function))
        return len(self._masks) - 1

    def reject(self, reads: Sequence[Source_Column], function: Callable[..., Iterable[Rejection]]) -> None:
        """Rejects rows."""
        self._rejections.append((self._positions(reads), function))

    def _positions(self, reads: Sequence[Source_Column]) -> List[int]:
        for column in reads:
            if column.value not in self._reads:
                self._reads.append(column.value)
        return [self._reads.index(column.value) for column in reads]

    def _finish(self, points: Iterable[Point]) -> Plan:
        if self._problems:
            raise Err(self._problems)
        points = [point._point for point in points]
        for field in (field for point in points for field in point.fields if field.write_as is None):
            if isinstance(field.source, Source_Column) and field.source.value in self._widened:
                field.write_as = _FIELD_TYPES.get(self._widened[field.source.value])
        # Contract 0.1 has no `each`.
        each = [] if Source_RowNumber is None else [self._each]
        return Plan(*each, points, self._translated, self._reads, self._types, len(self._masks))


# The type of a field that has values of a type.
_FIELD_TYPES = {
    ColumnType.BOOLEAN: FieldType.BOOLEAN,
    ColumnType.INTEGER: FieldType.INTEGER,
    ColumnType.UNSIGNED: FieldType.UNSIGNED,
    ColumnType.FLOAT: FieldType.FLOAT,
    ColumnType.TEXT: FieldType.TEXT,
    ColumnType.TIMESTAMP: FieldType.INTEGER,
}

# What the columns of a type are read and written as. Contract 0.1 has no such types.
_LIKE = {}
for _name, _like in (("TIME_OF_DAY", ColumnType.INTEGER), ("DURATION", ColumnType.INTEGER),
                     ("UUID", ColumnType.TEXT), ("BINARY", ColumnType.TEXT)):
    if hasattr(ColumnType, _name):
        _LIKE[getattr(ColumnType, _name)] = _like
        _FIELD_TYPES[getattr(ColumnType, _name)] = _FIELD_TYPES[_like]


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


def _told(method: Callable) -> Callable:
    """Has an exception be the message of the failure; its traceback is on standard error."""

    @wraps(method)
    def run(*arguments):
        try:
            return method(*arguments)
        except Err:
            raise
        except BaseException as exception:
            host.log(host.Level.ERROR, f"{type(exception).__name__}: {exception}")
            raise

    return run


class Converter(exports.Converter):
    """What a converter is and how it maps an object. The class that derives from it must be named `Converter`, in
    `src/converter.py`."""

    # Of the class, since each call is made on an object of its own. An instance of the component serves one object of the
    # loader, so that there is one plan in it.
    _plan: Optional[PlanBuilder] = None

    def plan(self, plan: PlanBuilder) -> Iterable[Point]:
        """Plans an object from its schema."""
        raise NotImplementedError

    @_told
    def prepare(self, input: Input) -> Plan:
        plan = PlanBuilder(input)
        prepared = plan._finish(self.plan(plan))
        Converter._plan = plan
        return prepared

    @_told
    def translate(self, translation: int, values: Strings) -> Strings:
        function = self._prepared()._translations[translation]
        return write_strings([function(value) for value in read_strings(values)])

    @_told
    def convert(self, batch: Batch) -> Converted:
        plan = self._prepared()
        columns = [
            _exactly(plan._widened.get(index), read_column(column, batch.rows))
            for index, column in zip(plan._reads, batch.columns)
        ]
        computed = [
            write_column(column_type, function(*(columns[position] for position in positions)))
            for column_type, positions, function in plan._computed
        ]
        masks = [
            Mask_Rows(_bitmap(list(function(*(columns[position] for position in positions)))))
            for positions, function in plan._masks
        ]
        rejected: List[Rejection] = []
        for positions, function in plan._rejections:
            rejected.extend(function(*(columns[position] for position in positions)))
        return Converted(computed, masks, rejected)

    def _prepared(self) -> PlanBuilder:
        if Converter._plan is None:
            raise Err(Problem("not-prepared", "`prepare` must succeed before `translate` and `convert`", None))
        return Converter._plan


def read_strings(strings: Strings) -> List[Optional[str]]:
    """The strings, with None for null."""
    offsets, data = strings.offsets, strings.data
    values = [str(data[start:end], "utf-8") for start, end in zip(offsets, offsets[1:])]
    return _with_nulls(values, strings.validity)


def write_strings(values: List[Optional[str]]) -> Strings:
    """The counterpart of `read_strings`."""
    parts = [b"" if value is None else value.encode() for value in values]
    offsets, end = [0], 0
    for part in parts:
        end += len(part)
        offsets.append(end)
    return Strings(offsets if parts else [], b"".join(parts), _validity(values))


def read_column(column: Column, rows: int) -> list:
    """The rows of a column, with None for null. The strings of a text column are shared by the rows that have them."""
    values = column.values
    if isinstance(values, Values_Booleans):
        rows_of = _bits(values.value, rows)
    elif isinstance(values, Values_Texts):
        dictionary = read_strings(values.value.dictionary)
        size = len(dictionary)
        # The code of a null row means nothing, and need not be in the dictionary.
        rows_of = [dictionary[code] if code < size else None for code in values.value.codes]
    else:
        rows_of = values.value
    return _with_nulls(rows_of, column.validity)


def write_column(column_type: ColumnType, rows: Iterable) -> Column:
    """The counterpart of `read_column`."""
    column_type = _LIKE.get(column_type, column_type)
    rows = list(rows)
    validity = _validity(rows)
    if column_type == ColumnType.TEXT:
        codes: dict = {}
        row_codes = [0 if value is None else codes.setdefault(value, len(codes)) for value in rows]
        # A column of nulls has a word for its codes to name.
        return Column(Values_Texts(Text(row_codes, write_strings(list(codes) or [""]))), validity)
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


def _key(key: Union[str, Source_Translated]):
    if isinstance(key, Source_Translated):
        return Key_Translated(key.value)
    return Key_Name(key) if isinstance(key, str) else key


def _missing(code: Optional[str]):
    return Missing_Omit() if code is None else Missing_Reject(code)


def _source(source: Source):
    # A boolean is an int in Python, so it comes first.
    for python, constant in ((bool, Constant_Boolean), (int, Constant_Integer), (float, Constant_Float),
                             (str, Constant_Text)):
        if isinstance(source, python):
            return Source_Constant(constant(source))
    return source
