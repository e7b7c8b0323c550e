"""Points: their tags and fields, and where keys and values come from. Part of `converter_sdk`, which authors import."""

from typing import Optional, Union

from componentize_py_types import Err
from wit_world.imports.types import (
    Constant_Boolean,
    Constant_Float,
    Constant_Integer,
    Constant_Text,
    Field,
    FieldType,
    Key_Name,
    Key_Translated,
    Missing_Omit,
    Missing_Reject,
    Problem,
    Source_Column,
    Source_Computed,
    Source_Constant,
    Source_Translated,
    Tag,
)
from wit_world.imports.types import Point as WitPoint

try:
    # The project's `wit` directory has the contract: 0.2, or 0.1, which has no row numbers.
    from wit_world.imports.types import Key_Joined, KeyPart_Text, KeyPart_Translated, Source_RowNumber
except ImportError:
    Key_Joined = Source_RowNumber = None

Source = Union[Source_Column, Source_Translated, Source_Computed, bool, int, float, str]
"""A column, a translation, a computed column, or a constant."""


class Point:
    """A point of each row, or with `when` of the rows that a mask chooses. A row whose time is missing is rejected as
    `invalid-timestamp`. The measurement is a text, or in contract 0.2 a translation or `joined(…)`.

    Example::

        measured = plan.mask([celsius], lambda rows: [value is not None for value in rows])
        temperature = Point("temperature", at, when=measured)
        temperature.field("celsius", celsius)
        return [point, temperature]

    Points::

        weather gust=12i 1704067200000000000
        temperature celsius=14.5 1704067200000000000
        weather gust=30i 1704070800000000000
        weather gust=7i 1704074400000000000
        temperature celsius=15.25 1704074400000000000
    """

    def __init__(self, measurement: Union[str, Source_Translated], time: Source, when: Optional[int] = None):
        if Source_RowNumber is not None:
            measurement = _key(measurement)
        elif not isinstance(measurement, str):
            raise Err([_beyond("a measurement from a translation")])
        self._point = WitPoint(measurement, _source(time), [], [], when)

    def tag(self, key: Union[str, Source_Translated], source: Source, *, when: Optional[int] = None,
            missing: Optional[str] = None) -> None:
        """Adds a tag. With `missing`, a row without a value is rejected under that code; otherwise its point lacks the tag.
        With `when`, only the rows of the mask have the tag.

        Example::

            point.tag("station", station, missing="no-station")

        Points::

            weather,station=pico gust=12i 1704067200000000000
            weather,station=faial gust=30i 1704070800000000000

        Message::

            no-station
        """
        self._point.tags.append(Tag(_key(key), _source(source), when, _missing(missing)))

    def field(self, key: Union[str, Source_Translated], source: Source, *, write_as: Optional[FieldType] = None,
              when: Optional[int] = None, missing: Optional[str] = None) -> None:
        """Adds a field. With `missing`, a row without a value is rejected under that code; otherwise its point lacks the
        field. `write_as` is the type in InfluxDB, by default that of the source. With `when`, only the rows of the mask have
        the field.

        Example::

            point.field("celsius", celsius)
            point.field("speed", gust, write_as=FieldType.FLOAT)

        Points::

            weather gust=12i,celsius=14.5,speed=12.0 1704067200000000000
            weather gust=30i,speed=30.0 1704070800000000000
            weather gust=7i,celsius=15.25,speed=7.0 1704074400000000000
        """
        self._point.fields.append(Field(_key(key), _source(source), write_as, when, _missing(missing)))


def row_number():
    """The number of the row in its object, from 0: a source of contract 0.2.

    Example::

        point.tag("row", row_number())

    Points::

        weather,row=0 gust=12i 1704067200000000000
        weather,row=1 gust=30i 1704070800000000000
        weather,row=2 gust=7i 1704074400000000000
    """
    if Source_RowNumber is None:
        raise Err([_beyond("row numbers")])
    return Source_RowNumber()


def joined(*parts: Union[str, Source_Translated]):
    """A key or a measurement of two to eight parts, texts and translations, of contract 0.2. Missing where one of the
    translations returns None; a row without a measurement is rejected as `invalid-measurement`.

    Example::

        point = Point(joined("weather_", plan.translate(station, lambda name: name)), at)
        point.field("gust", gust)

    Points::

        weather_pico gust=12i 1704067200000000000
        weather_faial gust=30i 1704070800000000000

    Message::

        invalid-measurement
    """
    if Key_Joined is None:
        raise Err([_beyond("a joined key")])
    return Key_Joined([KeyPart_Text(part) if isinstance(part, str) else KeyPart_Translated(part.value) for part in parts])


def _beyond(what: str) -> Problem:
    message = f"the plan has {what}, which contract 0.1 does not have: put contract 0.2 into the project's `wit` directory"
    return Problem("needs-contract-0-2", message, None)


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
