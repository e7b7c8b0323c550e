"""Writes energy data as Parquet, the same for the same arguments:

    python3 generate.py generation|steady|daily|five-minutes|consumption|transmission ROWS FILE.parquet [ROWS_A_GROUP]

500 series have a sample an hour each. What a row holds besides its series and its time is drawn anew for each row, so that nearly
every row is the first of its set of tags: the hardest case for a server's index. `steady` is generation whose plants keep their
tags, as plants do. `daily` is five years of a value a day, one plant after the other, and `five-minutes` has a value of each of ten
plants every five minutes; both are steady. Rows are made in chunks, each from a seed of its own: memory does not grow with the file, unless a row group is
larger than a chunk, and a chunk that is whole holds the same in every file.
"""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 7
SERIES = 500
CHUNK = 1 << 20
ROWS_A_GROUP = 1 << 17

START = 1_700_000_000 * 10**9
HOUR = 3_600 * 10**9
DAYS = 5 * 365 + 1
FEW_SERIES = 10


class Chunk:
    """Rows `first` to `end` of a file. Columns are drawn in the order in which they are named."""

    def __init__(self, number, first, end, dataset):
        self.rows, self.steady = end - first, dataset in STEADY
        # The seed of chunk 0 is SEED itself: numpy makes nothing of zeros at the end.
        self.random = np.random.default_rng([SEED, number])
        self.plants = np.random.default_rng(SEED)
        rows = np.arange(first, end)
        if dataset == "daily":
            self.series, days = np.divmod(rows, DAYS)
            self.times = START - DAYS * 24 * HOUR + days * 24 * HOUR
        elif dataset == "five-minutes":
            steps, self.series = np.divmod(rows, FEW_SERIES)
            self.times = START + steps * (HOUR // 12)
        else:
            hours, self.series = np.divmod(rows, SERIES)
            self.times = START + hours * HOUR

    def pick(self, *values):
        """One of the values for each row; or for each series, the same in all chunks."""
        if self.steady:
            return text(values, self.plants.integers(0, len(values), SERIES)[self.series])
        return text(values, self.random.integers(0, len(values), self.rows))

    def by_series(self, form):
        return text([form.format(number) for number in range(SERIES)], self.series)

    def common(self):
        return {
            "timestamp": pa.array(self.times, pa.timestamp("ns", tz="UTC")),
            "region": self.pick("norte", "nordeste", "sudeste", "sul", "centro_oeste"),
            "value": pa.array(np.round(self.random.gamma(2, 150, self.rows), 3)),
            "quality_flag": self.pick("good", "estimated", "suspect"),
        }


def text(values, chosen):
    """A column of the chosen values, each by its number."""
    return pa.DictionaryArray.from_arrays(pa.array(chosen), pa.array(values, pa.string())).cast(pa.string())


def generation(chunk):
    return chunk.common() | {
        "unit": pa.repeat("MW", chunk.rows),
        "energy_source": chunk.pick("hidraulica", "eolica", "solar", "termica", "nuclear"),
        "measurement_type": chunk.pick("geracao_verificada", "geracao_programada", "disponibilidade"),
        "plant_name": chunk.by_series("UHE Plant {:04d}"),
        "operator": chunk.pick(*(f"Operator, {number}" for number in range(50))),
        "capacity_mw": pa.array(np.round(chunk.random.uniform(10, 14_000, chunk.rows), 1)),
        "efficiency": pa.array(chunk.random.uniform(0.2, 0.99, chunk.rows)),
    }


def consumption(chunk):
    return chunk.common() | {
        "unit": chunk.pick("MWh", "MW"),
        "consumer_type": chunk.pick("industrial", "residential", "commercial", "rural"),
        "measurement_type": chunk.pick("consumption", "demand"),
        "sector": chunk.pick("manufacturing", "mining", "services", None),
        "subsector": chunk.by_series("sub-{:03d}"),
        "tariff_type": chunk.pick("azul", "verde", "branca"),
    }


def transmission(chunk):
    return chunk.common() | {
        "unit": chunk.pick("MW", "kV", "A", "Hz", "%"),
        "line_id": chunk.by_series("LT-{:04d}"),
        "measurement_type": chunk.pick("flow", "voltage", "current", "frequency", "loading"),
        "voltage_kv": pa.array(chunk.random.choice([138, 230, 345, 440, 500, 750], chunk.rows)),
        "line_type": chunk.pick("AC", "DC"),
        "operator": chunk.pick("Eletronorte", "CHESF", "Furnas", "CTEEP"),
    }


STEADY = {"steady", "daily", "five-minutes"}
DATASETS = {"generation": generation, "consumption": consumption, "transmission": transmission} | dict.fromkeys(STEADY, generation)


def tables(dataset, rows):
    """All rows, a table a chunk."""
    for number, first in enumerate(range(0, rows, CHUNK)):
        chunk = Chunk(number, first, min(first + CHUNK, rows), dataset)
        yield pa.table(DATASETS[dataset](chunk))


def main(dataset, rows, path, rows_a_group=ROWS_A_GROUP):
    rows, rows_a_group = int(rows), int(rows_a_group)
    waiting, writer = [], None
    for table in tables(dataset, rows):
        writer = writer or pq.ParquetWriter(path, table.schema, compression="snappy")
        waiting.append(table)
        if sum(map(len, waiting)) >= rows_a_group:
            writer.write_table(pa.concat_tables(waiting), row_group_size=rows_a_group)
            waiting = []
    if waiting:
        writer.write_table(pa.concat_tables(waiting), row_group_size=rows_a_group)
    writer.close()


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5) or sys.argv[1] not in DATASETS:
        sys.exit(__doc__)
    main(*sys.argv[1:])
