"""Nested columns: a row has a meter, which is a struct, and the list of a day's values, one each quarter of an hour.

    day:    date
    meter:  struct { id: text }
    values: list<float>
"""

import converter_sdk
from converter_sdk import ColumnType, Description, PlanBuilder, Point

QUARTER = 15 * 60 * 10**9


class Converter(converter_sdk.Converter):
    def describe(self) -> Description:
        return Description("quarters", "0.1.0", "quarters", "Values of meters, a list of them a day")

    def plan(self, plan: PlanBuilder):
        plan.each("values")
        value = plan.required("values", ColumnType.FLOAT)
        # The place of the value in its list: the list has no times.
        reads = [plan.required("day", ColumnType.TIMESTAMP), plan.required("values.#", ColumnType.INTEGER)]
        time = plan.compute(ColumnType.TIMESTAMP, reads, lambda days, quarters: [
            None if day is None else day + quarter * QUARTER for day, quarter in zip(days, quarters)
        ])
        # A quarter without a value gives no point.
        is_known = plan.mask([value], lambda values: [value is not None for value in values])
        point = Point("energy", time, when=is_known)
        point.tag("meter", plan.required("meter.id", ColumnType.TEXT))
        point.field("kwh", value)
        return [point]
