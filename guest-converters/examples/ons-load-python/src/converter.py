"""The converter of the `ons-load-raw` dataset, as `../ons-load-rust` has it: hourly load by distributor, as ONS, the
operator of Brazil's grid, publishes it."""

from bisect import bisect_right
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Optional, Tuple

import converter_sdk
from converter_sdk import ColumnType, Description, FieldType, PlanBuilder, Point, Rejection

TAGS = {
    "region": "sudeste",
    "consumer_type": "distributor",
    "measurement_type": "load",
    "sector": "distribution",
}

# A sandbox has no time zone database, and one zone needs none: São Paulo's clock was three hours behind UTC, and two in
# summer, until summer time was given up in 2019. Each summer: the day on which it began, when 00:00 became 01:00, and the
# day on which it ended, at whose beginning 00:00 became 23:00 of the day before.
SUMMERS = [
    ("1999-10-03", "2000-02-27"),
    ("2000-10-08", "2001-02-18"),
    ("2001-10-14", "2002-02-17"),
    ("2002-11-03", "2003-02-16"),
    ("2003-10-19", "2004-02-15"),
    ("2004-11-02", "2005-02-20"),
    ("2005-10-16", "2006-02-19"),
    ("2006-11-05", "2007-02-25"),
    ("2007-10-14", "2008-02-17"),
    ("2008-10-19", "2009-02-15"),
    ("2009-10-18", "2010-02-21"),
    ("2010-10-17", "2011-02-20"),
    ("2011-10-16", "2012-02-26"),
    ("2012-10-21", "2013-02-17"),
    ("2013-10-20", "2014-02-16"),
    ("2014-10-19", "2015-02-22"),
    ("2015-10-18", "2016-02-21"),
    ("2016-10-16", "2017-02-19"),
    ("2017-10-15", "2018-02-18"),
    ("2018-11-04", "2019-02-17"),
]
BEGINNINGS = [datetime.fromisoformat(begin) for begin, _ in SUMMERS]
ENDS = [datetime.fromisoformat(end) for _, end in SUMMERS]
HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1)


@lru_cache(maxsize=100_000)
def instant(text: str) -> Tuple[Optional[int], str]:
    """Nanoseconds since the epoch of a local time such as `2018-01-01 00:00:00.000`, or None and why."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        return None, "the time cannot be read"
    # What names its offset is no local time, and a date is no time.
    if local.tzinfo is not None or len(text) < len("2018-01-01 00:00:00"):
        return None, "the time cannot be read"
    summer = bisect_right(BEGINNINGS, local) - 1
    if summer < 0:
        return None, "the local time is before 1999-10-03, from when on summers are known"
    offset = 3
    if local < ENDS[summer]:
        if local < BEGINNINGS[summer] + HOUR:
            return None, "the local time does not exist: summer time began"
        if local >= ENDS[summer] - HOUR:
            return None, "the local time is ambiguous: summer time ended"
        offset = 2
    return (local + offset * HOUR - EPOCH) // timedelta(microseconds=1) * 1000, ""


def reject(rows):
    reasons = ((row, instant(text)) for row, text in enumerate(rows) if text is not None)
    return [Rejection(row, "invalid-timestamp", reason) for row, (time, reason) in reasons if time is None]


class Converter(converter_sdk.Converter):
    def describe(self) -> Description:
        summary = "Hourly load by distributor, as the grid operator publishes it"
        return Description("ons-load-python", "0.1.0", "ons-load-raw", summary)

    def plan(self, plan: PlanBuilder):
        series = plan.required("nom_seriehistorica", ColumnType.TEXT)
        local = plan.required("din_ocorrencia", ColumnType.TEXT)
        power = plan.required("val_itemserieoriginal", ColumnType.FLOAT, ColumnType.INTEGER)

        distributor = plan.translate(series, lambda name: name and name.removeprefix("SP-"))
        time = plan.compute(
            ColumnType.TIMESTAMP, [local], lambda rows: [None if text is None else instant(text)[0] for text in rows]
        )
        plan.reject([local], reject)

        point = Point("consumption_data", time)
        for key, value in TAGS.items():
            point.tag(key, value)
        point.tag("subsector", distributor)
        point.field("power_mw", power, write_as=FieldType.FLOAT, missing="invalid-value")
        point.field("unit", "MW")
        return [point]
