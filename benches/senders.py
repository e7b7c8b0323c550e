"""Writes generation data into InfluxDB 2.x as one would without the loader:

    python3 senders.py stream FILE.lp URL
    python3 senders.py client FILE.parquet URL

`stream` does as `influx write` does: half a megabyte of lines a request, in the order of the file, one request after the other. `client`
is influxdb-client, which makes lines of a data frame and batches them. The token, organization and bucket are those of the benchmark.
"""

import sys
import urllib.request

from mapping import FIELDS, MEASUREMENT, TAGS, TIME

REQUEST_BYTES = 500_000
TOKEN, ORGANIZATION, BUCKET = "bench", "bench", "energy"


def stream(path, url):
    address = f"{url}/api/v2/write?org={ORGANIZATION}&bucket={BUCKET}&precision=ns"
    with open(path, "rb") as lines:
        while body := lines.read(REQUEST_BYTES):
            body += lines.readline()
            request = urllib.request.Request(address, body, {"Authorization": f"Token {TOKEN}"})
            with urllib.request.urlopen(request, timeout=300):
                pass


def client(path, url):
    import pandas
    from influxdb_client import InfluxDBClient, WriteOptions

    failures = []
    with InfluxDBClient(url, TOKEN, org=ORGANIZATION, timeout=300_000) as connection:
        # Its own size of batches, 1,000 points.
        keep = {"error_callback": lambda _, body, error: failures.append(error)}
        with connection.write_api(write_options=WriteOptions(), **keep) as writer:
            frame = pandas.read_parquet(path).rename(columns=FIELDS).set_index(TIME)
            named = {"data_frame_measurement_name": MEASUREMENT, "data_frame_tag_columns": TAGS}
            writer.write(BUCKET, record=frame, **named)
    if failures:
        sys.exit(str(failures[0]))


if __name__ == "__main__":
    SENDERS = {"stream": stream, "client": client}
    if len(sys.argv) != 4 or sys.argv[1] not in SENDERS:
        sys.exit(__doc__)
    SENDERS[sys.argv[1]](*sys.argv[2:])
