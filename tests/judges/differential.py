"""Random tables, read by pyarrow and by the loader: `differential.py LOADER COMPONENT TABLES SEED`.

Every table has all types, in one of the layouts that pyarrow writes: codecs, encodings, versions of pages and of the format,
sizes of pages, dictionaries and row groups; and the loader reads it with some number of threads and rows a batch. What must
be found is what pyarrow reads of the same file. Fails with the seed of the first table that differs.
"""

import concurrent.futures
import decimal
import os
import random
import sys
import tempfile
import uuid

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import lines

CODECS = ["NONE", "SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4"]
UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
WORDS = ["", "São Paulo", 'a "quoted" word', "a,b=c d", "x" * 300, "日本語", "0"]
SIGNIFICANT = {pa.decimal128: 38, pa.decimal256: 76}


def near_the_edges(random, bits, signed):
    least, most = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    edge = random.choice([least, most, 0, 1, 2**53, 2**53 + 1, random.randint(least, most)])
    return min(max(edge, least), most)


def columns(random, rows):
    """The columns of a table, each with the kind of its values and an encoding that suits it."""
    nulls = random.choice([0, 0, 0.1, 0.9, 1])

    def values(make, distinct=None):
        pool = None if distinct is None else [make() for _ in range(distinct)]
        return [None if random.random() < nulls else (make() if pool is None else random.choice(pool)) for _ in range(rows)]

    def some(make):
        return values(make, random.choice([None, 1, 3, 200]))

    result = {}
    for bits in (8, 16, 32, 64):
        integer = pa.array(some(lambda: near_the_edges(random, bits, True)), getattr(pa, f"int{bits}")())
        result[f"int{bits}"] = (integer, "integer", ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"])
        most = 63 if bits == 64 else bits
        unsigned = pa.array(some(lambda: near_the_edges(random, most, False)), getattr(pa, f"uint{bits}")())
        result[f"uint{bits}"] = (unsigned, "integer", ["PLAIN", "DELTA_BINARY_PACKED"])
    number = lambda: random.choice([0.0, -1.5, 1e300, 5e-324, float("nan"), float("inf"), random.gauss(0, 1e6)])
    result["double"] = (pa.array(some(number), pa.float64()), "float", ["PLAIN", "BYTE_STREAM_SPLIT"])
    single = pc.cast(pa.array(some(lambda: random.gauss(0, 1e3)), pa.float64()), pa.float32(), safe=False)
    result["float"] = (single, "float", ["PLAIN", "BYTE_STREAM_SPLIT"])
    half = pc.cast(pa.array(some(lambda: random.gauss(0, 10)), pa.float64()), pa.float16(), safe=False)
    result["half"] = (half, "float", ["PLAIN"])
    result["boolean"] = (pa.array(some(lambda: random.random() < 0.5), pa.bool_()), "boolean", ["PLAIN", "RLE"])
    text = pa.array(some(lambda: random.choice(WORDS) + str(random.randrange(1000))), pa.string())
    result["text"] = (text, "text", ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"])
    result["large_text"] = (text.cast(pa.large_string()), "text", ["PLAIN"])
    result["category"] = (text.dictionary_encode(), "text", ["PLAIN"])
    numbers = pa.array(some(lambda: random.randrange(50)), pa.int64())
    result["numbers_category"] = (numbers.dictionary_encode(), "integer", ["PLAIN"])
    result["raw_text"] = (text.cast(pa.binary()), "bytes", ["PLAIN", "DELTA_BYTE_ARRAY"])
    identifier = pa.array(some(lambda: uuid.UUID(int=random.getrandbits(128)).bytes), pa.binary(16))
    result["uuid"] = (pa.ExtensionArray.from_storage(pa.uuid(), identifier), "uuid", ["PLAIN"])
    result["bytes"] = (identifier, None, ["PLAIN"])
    result["nothing"] = (pa.nulls(rows), None, ["PLAIN"])
    for make, most in SIGNIFICANT.items():
        precision = random.randint(1, most)
        scale = random.randint(0, precision)
        with decimal.localcontext(decimal.Context(prec=100)):
            digits = lambda: decimal.Decimal(random.randrange(-(10**precision) + 1, 10**precision)).scaleb(-scale)
            result[make.__name__] = (pa.array(some(digits), make(precision, scale)), "decimal", ["PLAIN"])
    identities = pa.array(some(lambda: decimal.Decimal(random.randrange(10**18))), pa.decimal128(18, 0))
    result["identity"] = (identities, "decimal", ["PLAIN"])
    for unit in UNITS:
        # Some of them beyond what nanoseconds hold.
        far = {"s": 4 * 10**11, "ms": 4 * 10**14}.get(unit, 2**62)
        times = pa.array(some(lambda: random.randint(-far, far)), pa.int64())
        zone = random.choice([None, "UTC", "America/Sao_Paulo"])
        result[f"time_{unit}"] = (times.cast(pa.timestamp(unit, zone)), unit, ["PLAIN", "DELTA_BINARY_PACKED"])
    days = pa.array(some(lambda: random.randint(-2_000_000, 2_000_000)), pa.int32())
    result["date"] = (days.cast(pa.date32()), "days", ["PLAIN"])
    result["of_day_ms"] = (pa.array(some(lambda: random.randrange(86_400_000)), pa.int32()).cast(pa.time32("ms")), "raw32", ["PLAIN"])
    result["of_day_us"] = (pa.array(some(lambda: random.randrange(86_400_000_000)), pa.int64()).cast(pa.time64("us")), "raw64", ["PLAIN"])
    result["duration"] = (pa.array(some(lambda: random.randrange(10**9)), pa.int64()).cast(pa.duration("ms")), "raw64", ["PLAIN"])
    result["list"] = (pa.array([[1, 2]] * rows, pa.list_(pa.int32())), None, ["PLAIN"])
    result["struct"] = (pa.array([{"a": 1}] * rows), None, ["PLAIN"])
    return result


def plain(column, kind):
    """The values as pyarrow has them, in the kinds of `lines`."""
    if kind in UNITS:
        numbers = column.cast(pa.int64()).to_pylist()
        return "nanoseconds", [None if number is None else number * UNITS[kind] for number in numbers]
    if kind == "days":
        days = column.cast(pa.int32()).to_pylist()
        return "nanoseconds", [None if day is None else day * 86_400 * 10**9 for day in days]
    if kind in ("raw32", "raw64"):
        return "integer", column.cast(pa.int32() if kind == "raw32" else pa.int64()).to_pylist()
    if kind == "bytes":
        return "text", [None if value is None else value.decode() for value in column.to_pylist()]
    if kind == "uuid":
        return "text", [None if value is None else str(value) for value in column.to_pylist()]
    return kind, column.to_pylist()


def write(random, path, rows, made):
    """Writes the table in some layout, and returns which."""
    int96 = random.random() < 0.2
    version = random.choice(["1.0", "2.4", "2.6"])
    dictionary = random.random() < 0.6
    layout = {
        "compression": random.choice(CODECS),
        "version": version,
        "data_page_version": random.choice(["1.0", "2.0"]),
        "row_group_size": random.choice([1, 7, 64, 1000]) if rows < 300 else random.choice([64, 1000]),
        "data_page_size": random.choice([1, 100, 1_000_000]),
        "write_batch_size": random.choice([1, 16, 1024]),
        "use_dictionary": dictionary,
        "store_schema": random.random() < 0.7,
        "write_page_checksum": random.random() < 0.5,
        "write_statistics": random.random() < 0.5,
        "write_page_index": random.random() < 0.5,
        "use_deprecated_int96_timestamps": int96,
        "store_decimal_as_integer": random.random() < 0.5,
    }
    if dictionary:
        layout["dictionary_pagesize_limit"] = random.choice([1, 200, 1_000_000])
    else:
        layout["column_encoding"] = {name: random.choice(encodings) for name, (_, _, encodings) in made.items()}
        for nested in ("list", "struct"):
            layout["column_encoding"].pop(nested)
        if int96:
            layout["column_encoding"] |= {f"time_{unit}": "PLAIN" for unit in UNITS}
    table = {name: column for name, (column, _, _) in made.items()}
    table = {"row": pa.array(range(rows), pa.int64()), **table}
    if int96 or version != "2.6":
        # pyarrow refuses to bend what it cannot store; it wraps times of INT96.
        for unit in UNITS:
            near = 4 * 10**18 // UNITS[unit]
            times = table[f"time_{unit}"].cast(pa.int64())
            near = pc.if_else(pc.greater(pc.abs(times), near), None, times)
            table[f"time_{unit}"] = near.cast(table[f"time_{unit}"].type)
    if version != "2.6" and not int96:
        layout.update(coerce_timestamps="us", allow_truncated_timestamps=True)
        del table["time_ns"]
    layout.get("column_encoding", {}).pop("time_ns", None) if "time_ns" not in table else None
    pq.write_table(pa.table(table), path, **layout)
    return {**layout, "rows": rows}


def check(seed, loader, component, directory):
    """The difference that the table of a seed shows, if there is one."""
    chance = random.Random(seed)
    rows = chance.choice([1, 2, 9, 100, 1500])
    path = os.path.join(directory, f"{seed}.parquet")
    made = columns(chance, rows)
    layout = write(chance, path, rows, made)
    # pyarrow does not read all of the lists that it writes.
    names = [name for name in pq.read_schema(path).names if name in made and made[name][1]]
    read = pq.ParquetFile(path).read(columns=names)
    wanted = [(name, *plain(read.column(name), made[name][1])) for name in names]
    for index, (name, kind, values) in enumerate(wanted):
        if name.startswith("time_"):
            unit = read.schema.field(name).type.unit
            wanted[index] = (name, *plain(read.column(name), unit))
    threads, batch = chance.choice([1, 2, 4]), chance.choice([1, 10, 1000, 10_000])
    found, said = lines.convert(loader, component, path, threads, batch)
    difference = lines.difference(found, lines.expected(wanted))
    os.remove(path)
    return difference and f"{difference}\nlayout: {layout}\nthreads {threads}, rows a batch {batch}\n{said}"


def main():
    loader, component, tables, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with tempfile.TemporaryDirectory() as directory:
        with concurrent.futures.ProcessPoolExecutor() as pool:
            seeds = range(seed, seed + tables)
            looks = [pool.submit(check, each, loader, component, directory) for each in seeds]
            for each, look in zip(seeds, looks):
                difference = look.result()
                if difference:
                    pool.shutdown(cancel_futures=True)
                    sys.exit(f"the table of seed {each} is read otherwise than by pyarrow: {difference}")
    print(f"{tables} tables are read as pyarrow reads them")


if __name__ == "__main__":
    main()
