//! Line protocol → InfluxDB, a file or standard output.
