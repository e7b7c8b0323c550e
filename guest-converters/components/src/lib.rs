//! Converters, built into components: what the loader has with it when no registry is configured.

/// The converter of the `generation` dataset.
pub const GENERATION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/generation.wasm"));

/// The converter of the `consumption` dataset.
pub const CONSUMPTION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/consumption.wasm"));

/// The converter of the `transmission` dataset.
pub const TRANSMISSION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/transmission.wasm"));

/// Each dataset's name and its converter.
pub const ALL: &[(&str, &[u8])] =
    &[("generation", GENERATION), ("consumption", CONSUMPTION), ("transmission", TRANSMISSION)];

/// The converter of tables that Timestream for LiveAnalytics has unloaded.
pub const TIMESTREAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/timestream.wasm"));

/// The same of datasets that are used only where they are named: a key that contains such a name does not select them.
pub const NAMED: &[(&str, &[u8])] = &[("timestream", TIMESTREAM)];
