"""Writes a Parquet file that readers of Parquet fall for:

    python3 hard_files.py NAME FILE.parquet

A program of its own, so that what it takes is not counted as the memory of the loader: see `measuring.run`.
"""

import struct
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

CONSTANTS = {"region": "SE", "unit": "MW", "consumer_type": "industrial", "measurement_type": "measured"}


def times(rows):
    """A second apart."""
    since_1970 = pc.add(pc.multiply(pa.array(np.arange(rows)), 1_000_000), 1_709_251_200_000_000)
    return since_1970.cast(pa.timestamp("us", "UTC"))


def constant(text, rows):
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array([text])).dictionary_decode()


def consumption(rows, **more):
    columns = {"timestamp": times(rows), "value": pa.array(np.arange(rows) * 0.37)}
    columns |= {name: constant(text, rows) for name, text in CONSTANTS.items()}
    return pa.table(columns | more)


def many_rows(path):
    """Five million rows."""
    pq.write_table(consumption(5_000_000), path, compression="snappy")


def one_page(path):
    """15 million rows of one page a column, as fastparquet makes them."""
    rows = 15_000_000
    extra = {"max_rows_per_page": rows} if "max_rows_per_page" in pq.write_table.__doc__ else {}
    options = {"data_page_size": 1 << 30, "row_group_size": rows, "write_batch_size": rows, "use_dictionary": False}
    pq.write_table(consumption(rows), path, compression="snappy", **options, **extra)


def many_columns(path, rows=150_000, columns=450):
    """450 columns of 150,000 floats, in one row group."""
    numbers = {f"f{number}": pa.array((np.arange(rows) * 2_654_435_761 + number) % 2**32 / 7) for number in range(columns)}
    table = pa.table({"time": times(rows)} | numbers)
    pq.write_table(table, path, compression="none", use_dictionary=False, row_group_size=rows)


def few_rows_of_many_columns(path):
    """What a converter of many columns is made from."""
    many_columns(path, rows=5)


def long_texts(path):
    """30,000 distinct texts of 60 kB."""
    rows = 30_000
    base = bytes(np.random.default_rng(1).integers(97, 123, 60_000, np.uint8)).decode()
    texts = [f"{row:06}" + base[row % 1000 :] + base[: row % 1000] for row in range(rows)]
    pq.write_table(consumption(rows, sector=pa.array(texts)), path, compression="zstd")


def large_dictionary(path):
    """A dictionary of two million texts."""
    rows = 2_000_000
    texts = pa.array([f"sector number {row}" for row in range(rows)])
    options = {"dictionary_pagesize_limit": 1 << 30, "row_group_size": rows}
    pq.write_table(consumption(rows, sector=texts), path, compression="snappy", **options)


def lying_header(path):
    """A page of some bytes whose header declares 2 GiB."""
    replace_last_page(path, (1 << 31) - 1, None)


def bomb(path):
    """A page of some 32 kB of zstd that are 1 GiB, and a header that declares them."""
    replace_last_page(path, 1 << 30, zeros())


def hidden_bomb(path):
    """The same behind a header that declares 1 MiB."""
    replace_last_page(path, 1 << 20, zeros())


def zeros(gibibytes=1):
    return pa.Codec("zstd").compress(bytes(gibibytes << 30), asbytes=True)


def replace_last_page(path, declared, body):
    """Writes a few rows, then another body for the only page of the last column, and another size into its header."""
    texts = pa.array([f"measured {row * 7919}" for row in range(9)])
    options = {"use_dictionary": False, "store_schema": False, "write_statistics": False}
    pq.write_table(consumption(9, sector=texts), path, compression="zstd", **options)
    with open(path, "rb") as file:
        whole = file.read()
    footer_size = struct.unpack("<I", whole[-8:-4])[0]
    footer, pages = whole[-8 - footer_size : -8], whole[: -8 - footer_size]
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(6)
    header, rest = pages[: chunk.data_page_offset], pages[chunk.data_page_offset :]
    # A page's header begins with its kind, which is 0, and its sizes decompressed and compressed, as thrift writes them.
    before, rest = rest[:3], rest[3:]
    uncompressed, rest = varint(rest)
    between, rest = rest[:1], rest[1:]
    compressed, rest = varint(rest)
    assert before == b"\x15\x00\x15" and between == b"\x15"
    body = rest[-compressed:] if body is None else body
    header_rest = rest[:-compressed]
    page = before + to_varint(declared) + between + to_varint(len(body)) + header_rest + body
    header_size = len(page) - len(body)
    old = sizes(chunk.total_uncompressed_size, chunk.total_compressed_size)
    assert footer.count(old) == 1
    footer = footer.replace(old, sizes(declared + header_size, len(page)))
    with open(path, "wb") as file:
        file.write(header + page + footer + struct.pack("<I", len(footer)) + whole[-4:])


def sizes(uncompressed, compressed):
    """Both sizes of a column chunk, as they follow each other in the metadata."""
    return b"\x16" + to_varint(uncompressed) + b"\x16" + to_varint(compressed)


def varint(rest):
    """The number at the start, and what follows it."""
    number, shift = 0, 0
    while True:
        byte, rest = rest[0], rest[1:]
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            # Signs are in the lowest bit, and no size is negative.
            return number >> 1, rest


def to_varint(number):
    number, written = number << 1, b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


FILES = [
    many_rows, one_page, many_columns, few_rows_of_many_columns, long_texts, large_dictionary, lying_header, bomb, hidden_bomb,
]  # fmt: skip


def main(name, path):
    {make.__name__.replace("_", "-"): make for make in FILES}[name](path)


if __name__ == "__main__":
    main(*sys.argv[1:])
