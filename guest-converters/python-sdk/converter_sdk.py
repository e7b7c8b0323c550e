"""Everything that a converter in Python needs: a plan builder, column views, and the exports made of them.

A converter maps the columns of a dataset to points. It is two methods, and never sees a row:

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
distinct values (`translate`), a column computed from rows (`compute`). `wit/converter.wit` documents
the contract itself. docs/reference/sdk-python.md is made of the docstrings; a test runs their examples in a component.

    converter_sdk.py             the plan and the exports; what authors import
    converter_sdk_points.py      points: tags, fields, keys and sources
    converter_sdk_columns.py     columns of the contract as lists, and back
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
from typing import Callable, Iterable, List, Optional, Sequence

from componentize_py_types import Err
from converter_sdk_columns import _LIKE, _bitmap, _exactly, _read_column, _read_strings, _write_column, _write_strings
from converter_sdk_points import Point, Source, Source_RowNumber, _beyond, joined, row_number  # noqa: F401  for authors
from wit_world import exports
from wit_world.imports import host
from wit_world.imports.host import Level
from wit_world.imports.types import (
    Batch,
    ColumnSchema,
    ColumnType,
    Converted,
    Description,
    FieldType,
    Input,
    Mask_Rows,
    Plan,
    Problem,
    Rejection,
    Source_Column,
    Source_Computed,
    Source_Translated,
    Strings,
)

__all__ = [
    "Converter", "PlanBuilder", "Point", "joined", "row_number", "timestamp", "log",
    "ColumnType", "Description", "FieldType", "Level", "Rejection",
]  # fmt: skip


def log(message: str, level: Level = Level.INFO) -> None:
    """Writes to the loader's log, under the converter's name. Row contents belong in `Level.DEBUG` only.

    Example::

        log(f"planning {plan.input.object.file_name}", Level.WARN)

    Points::

        weather gust=12i 1704067200000000000
        weather gust=30i 1704070800000000000
        weather gust=7i 1704074400000000000

    Message::

        planning weather.parquet
    """
    host.log(level, message)


# Hours and minutes have their bounds here: versions of Python differ in whether they read 24:00 and an offset of +00:60.
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d{1,9}))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@lru_cache(maxsize=100_000)
def timestamp(text: Optional[str]) -> Optional[int]:
    """Reads RFC 3339, or the same without an offset, which means UTC, as nanoseconds since the epoch. Returns None for
    everything else, and for a time that 64 bits cannot hold. A row without a time is rejected as `invalid-timestamp`.

    Example::

        read = plan.required("read", ColumnType.TEXT)
        time = plan.compute(ColumnType.TIMESTAMP, [read], lambda rows: [timestamp(text) for text in rows])
        point = Point("weather", time)
        point.field("gust", gust)

    Points::

        weather gust=12i 1704067200500000000
        weather gust=30i 1704070800000000000

    Message::

        invalid-timestamp
    """
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


class PlanBuilder:
    """A plan being made for an object. Problems are collected, so that the object fails with all of them at once.

    `input` describes the object: `dataset`, `columns`, `partitions` (pairs of the key), `strict` (`VALIDATE_SCHEMA`), and in
    contract 0.2 `object` (`bucket`, `key`, `file_name`, `last_modified`, `metadata`) and `parameters`, the JSON document that is
    published beside the version, or None.

    Example::

        point.tag("file", plan.input.object.file_name)

    Points::

        weather,file=weather.parquet gust=12i 1704067200000000000
        weather,file=weather.parquet gust=30i 1704070800000000000
        weather,file=weather.parquet gust=7i 1704074400000000000
    """

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
        """Adds a problem: the object fails.

        Example::

            if plan.input.parameters is None:
                plan.problem("no-stations", "publish the list of stations with `--parameters`")

        Message::

            publish the list of stations with `--parameters`
        """
        self._problems.append(Problem(code, message, column))

    def optional(self, name: str, *accepted: ColumnType) -> Optional[Source_Column]:
        """The column of this name, or None. A type that is not accepted is a problem, with two exceptions: a number is used as
        another type of number that is accepted, exactly or its row is rejected, and a column of nulls as every type.

        Example::

            humidity = plan.optional("humidity", ColumnType.FLOAT)
            if humidity is not None:
                point.field("humidity", humidity)

        Points::

            weather gust=12i 1704067200000000000
            weather gust=30i 1704070800000000000
            weather gust=7i 1704074400000000000
        """
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
        from 0, is `LIST.#`; other columns are copied for each element. That there is no such list is a problem, `missing-list`.

        Example::

            plan.each("rain")
            point = Point("rain", at)
            point.tag("part", plan.required("rain.#", ColumnType.INTEGER))
            point.field("millimetres", plan.required("rain", ColumnType.FLOAT))

        Points::

            rain,part=0 millimetres=0.25 1704067200000000000
            rain,part=1 millimetres=0.5 1704067200000000000
            rain,part=0 millimetres=1.5 1704074400000000000
        """
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
        """The column of this name, as `optional` returns it. A missing column is a problem, `missing-column`.

        Example::

            point.field("humidity", plan.required("humidity", ColumnType.FLOAT))

        Message::

            the dataset `weather` requires the column `humidity`
        """
        column = self.optional(name, *accepted)
        if column is None:
            message = f"the dataset `{self.input.dataset}` requires the column `{name}`"
            self.problem("missing-column", message, name)
            # Stands for the column, so that the problems of others are found too; such a plan is never used.
            return Source_Column(0)
        return column

    def partition(self, name: str) -> str:
        """The value of the last segment `name=value` of the object's key. A missing segment is a problem,
        `missing-partition`. Hive's name for null is an empty text, and an empty tag is not written.

        Example::

            point.tag("region", plan.partition("region"))

        Points::

            weather,region=azores gust=12i 1704067200000000000
            weather,region=azores gust=30i 1704070800000000000
            weather,region=azores gust=7i 1704074400000000000
        """
        values = [value for known, value in self.input.partitions if known == name]
        if not values:
            required = f"the dataset `{self.input.dataset}` requires the partition `{name}`"
            self.problem("missing-partition", f"{required}: the object's key has no segment `{name}=VALUE/`")
            return ""
        return "" if values[-1] == "__HIVE_DEFAULT_PARTITION__" else values[-1]

    def translate(self, column: Source_Column,
                  function: Callable[[Optional[str]], Optional[str]]) -> Source_Translated:
        """Translates each distinct value of a column, and its null, as text: a source of tags and fields, or their key. What the
        function returns must depend on the value alone; None means no value.

        Example::

            keys = {"kt": "knots", "km/h": "kmh"}
            unit = plan.required("unit", ColumnType.TEXT)
            point = Point("gusts", at)
            point.tag("station", plan.translate(station, lambda name: name and name.title()))
            point.field(plan.translate(unit, keys.get), gust)

        Points::

            gusts,station=Pico knots=12i 1704067200000000000
            gusts,station=Faial kmh=30i 1704070800000000000
            gusts knots=7i 1704074400000000000
        """
        self._translated.append(column.value)
        self._translations.append(function)
        return Source_Translated(len(self._translated) - 1)

    def compute(self, column_type: ColumnType, reads: Sequence[Source_Column],
                function: Callable[..., Iterable]) -> Source_Computed:
        """Computes a column. The function gets the rows of each column that it reads, as lists with None for null, and
        returns one value a row. Times are nanoseconds since the epoch.

        Example::

            def fahrenheit(rows):
                return [None if value is None else value * 1.8 + 32 for value in rows]

            point.field("fahrenheit", plan.compute(ColumnType.FLOAT, [celsius], fahrenheit))

        Points::

            weather gust=12i,fahrenheit=58.1 1704067200000000000
            weather gust=30i 1704070800000000000
            weather gust=7i,fahrenheit=59.45 1704074400000000000
        """
        self._computed.append((column_type, self._positions(reads), function))
        self._types.append(column_type)
        return Source_Computed(len(self._types) - 1)

    def mask(self, reads: Sequence[Source_Column], function: Callable[..., Iterable[bool]]) -> int:
        """Chooses rows: True for those that have the tag, field or point whose `when` is this mask.

        Example::

            strong = plan.mask([gust], lambda rows: [speed > 10 for speed in rows])
            point.tag("warning", "gusts", when=strong)

        Points::

            weather,warning=gusts gust=12i 1704067200000000000
            weather,warning=gusts gust=30i 1704070800000000000
            weather gust=7i 1704074400000000000
        """
        self._masks.append((self._positions(reads), function))
        return len(self._masks) - 1

    def reject(self, reads: Sequence[Source_Column], function: Callable[..., Iterable[Rejection]]) -> None:
        """Rejects rows, each by its position in the batch. A code is of lower case, words joined by `-`; reports and metrics
        count by it. The message may quote the row: only reports and kept rejects show it.

        Example::

            def implausible(rows):
                return [Rejection(row, "implausible", f"{speed} knots") for row, speed in enumerate(rows) if speed > 20]

            plan.reject([gust], implausible)

        Points::

            weather gust=12i 1704067200000000000
            weather gust=7i 1704074400000000000

        Message::

            implausible
        """
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
_FIELD_TYPES.update({_type: _FIELD_TYPES[_like] for _type, _like in _LIKE.items()})


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
    `src/converter.py`, and has the methods `describe` and `plan`. An exception in either, or in a function of the plan, ends the
    object; its type and message are the error.

    Example::

        class Converter(converter_sdk.Converter):
            def describe(self):
                # Name, version, dataset, and a line for people.
                return Description("weather", "1.0.0", "weather", "Hourly observations of weather stations")

            def plan(self, plan):
                point = Point("weather", plan.required("at", ColumnType.TIMESTAMP))
                point.tag("station", plan.required("station", ColumnType.TEXT))
                point.field("celsius", plan.required("celsius", ColumnType.FLOAT), missing="no-temperature")
                return [point]

    Points::

        weather,station=pico celsius=14.5 1704067200000000000
        weather celsius=15.25 1704074400000000000

    Message::

        no-temperature
    """

    # Of the class, since each call is made on an object of its own. An instance of the component serves one object of the
    # loader, so that there is one plan in it.
    _plan: Optional[PlanBuilder] = None

    def plan(self, plan: PlanBuilder) -> Iterable[Point]:
        """Plans an object from its schema: returns the points that each row gives. Called once an object, and for the same input
        returns the same.

        Example::

            point.field("celsius", celsius)
            return [point]

        Points::

            weather gust=12i,celsius=14.5 1704067200000000000
            weather gust=30i 1704070800000000000
            weather gust=7i,celsius=15.25 1704074400000000000
        """
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
        return _write_strings([function(value) for value in _read_strings(values)])

    @_told
    def convert(self, batch: Batch) -> Converted:
        plan = self._prepared()
        columns = [
            _exactly(plan._widened.get(index), _read_column(column, batch.rows))
            for index, column in zip(plan._reads, batch.columns)
        ]
        computed = [
            _write_column(column_type, function(*(columns[position] for position in positions)))
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
