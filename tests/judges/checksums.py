"""A file of which one bit of a page is another than when pyarrow wrote it: `checksums.py LOADER COMPONENT`. Nothing but the
page's checksum reveals it."""

import os
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq


def main():
    loader, component = sys.argv[1], sys.argv[2]
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "a.parquet")
        table = pa.table({"row": pa.array(range(9), pa.int64()), "value": [1.5] * 9})
        pq.write_table(table, path, compression="NONE", use_dictionary=False, write_page_checksum=True)
        with open(path, "rb") as file:
            written = bytearray(file.read())
        command = [loader, "convert", path, "--dataset", "every-column", "--converter", component]
        assert subprocess.run(command, capture_output=True).returncode == 0
        page = pq.ParquetFile(path).metadata.row_group(0).column(1)
        written[page.data_page_offset + page.total_compressed_size - 1] ^= 1
        with open(path, "wb") as file:
            file.write(written)
        run = subprocess.run(command, capture_output=True)
        said = run.stderr.decode()
        assert run.returncode == 1 and not run.stdout, said
        assert "in row group 0, column `value`" in said and "the checksum of a page of column `value` in row group 0 does not match" in said, said
    print("a page with a wrong checksum is refused")


if __name__ == "__main__":
    main()
