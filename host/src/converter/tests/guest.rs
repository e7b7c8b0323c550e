//! Small converters in WebAssembly text, each of which does one thing wrong: the shortest way to a guest that no compiler
//! would make.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A converter for one column of timestamps, one of floats, and as many more of integers as it reads. It writes the float as
/// field `v` of the measurement `m` and answers `convert` with nothing at all; unless the text of a function does otherwise.
pub(super) struct Guest {
    /// More interfaces, in WIT.
    pub wit: &'static str,
    /// What is imported from `wit`, as items of a world.
    pub world: &'static str,
    /// More items of the module.
    pub items: String,
    /// The memory at the start, in pages.
    pub pages: u32,
    /// The columns of the time and of the field.
    pub time: u32,
    pub field: u32,
    /// The columns that are read.
    pub reads: Vec<u32>,
    /// The types of the columns that are computed, as the contract numbers them.
    pub computed: Vec<u8>,
    /// Runs before each function answers.
    pub describe: &'static str,
    pub prepare: &'static str,
    pub translate: &'static str,
    pub convert: &'static str,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            wit: "",
            world: "",
            items: String::new(),
            pages: 2,
            time: 0,
            field: 1,
            reads: Vec::new(),
            computed: Vec::new(),
            describe: "",
            prepare: "",
            translate: "",
            convert: "",
        }
    }
}

/// Where the parts of the answers lie in the guest's memory.
const TEXT: u32 = 1024;
const DESCRIPTION: u32 = 2048;
const PLAN: u32 = 2304;
const POINT: u32 = 2560;
const FIELD: u32 = 2816;
const READS: u32 = 3072;
const COMPUTED: u32 = 3584;
pub(super) const TRANSLATED: u32 = 4096;
pub(super) const CONVERTED: u32 = 4352;
const HEAP: u32 = 8192;

impl Guest {
    pub(super) fn component(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.module()).unwrap();
        let mut resolve = Resolve::default();
        resolve.push_str("converter.wit", include_str!("../../../../wit/converter.wit")).unwrap();
        let Self { wit, world, .. } = self;
        let package = format!(
            "package test:guest;
            world guest {{ include influxdb-loader:converter/converter-world@0.1.0; {world} }}
            {wit}"
        );
        let package = resolve.push_str("guest.wit", &package).unwrap();
        let world = resolve.select_world(&[package], Some("guest")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
    }

    fn module(&self) -> String {
        let Self { items, pages, time, field, reads, computed, describe, prepare, translate, convert, .. } = self;
        let count = |length: usize| u32::try_from(length).unwrap();
        let data = [
            format!("(data (i32.const {TEXT}) \"wat-guest1.0.0loadsmv\")"),
            // Name, version, dataset and summary.
            words(DESCRIPTION, &[TEXT, 9, TEXT + 9, 5, TEXT + 14, 4, TEXT, 9]),
            // Ok; points, translations, reads, computed, masks.
            words(PLAN, &[0, POINT, 1, READS, 1, READS, count(reads.len()), COMPUTED, count(computed.len()), 0]),
            // Measurement; time, which is a column; no tags; one field; for all rows.
            words(POINT, &[TEXT + 19, 1, 0, 0, *time, 0, 0, 0, 0, 0, FIELD, 1, 0, 0]),
            // A name; a column; as it is; for all rows; omitted where it is missing.
            words(FIELD, &[0, TEXT + 20, 1, 0, 0, 0, *field, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            // The column that is translated is the first that is read, or column 1.
            words(READS, if reads.is_empty() { &[1] } else { reads }),
            bytes(COMPUTED, computed),
            // Ok; of no string.
            words(TRANSLATED, &[0; 8]),
            // Ok; no computed column, no mask, no rejection.
            words(CONVERTED, &[0; 8]),
        ]
        .concat();
        format!(
            "(module
              (import \"influxdb-loader:converter/host@0.1.0\" \"log\" (func $log (param i32 i32 i32)))
              {items}
              (memory (export \"memory\") {pages})
              (global $heap (mut i32) (i32.const {HEAP}))
              (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.set $heap (i32.add (local.get $at) (local.get 3)))
                (block $enough
                  (br_if $enough (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
                  (drop (memory.grow (i32.add (i32.shr_u (local.get 3) (i32.const 16)) (i32.const 1)))))
                (local.get $at))
              (func (export \"{EXPORT}#describe\") (result i32) {describe} (i32.const {DESCRIPTION}))
              (func $prepare (export \"{EXPORT}#prepare\") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
                {prepare} (i32.const {PLAN}))
              (func (export \"{EXPORT}#translate\") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
                {translate} (i32.const {TRANSLATED}))
              (func (export \"{EXPORT}#convert\") (param i32 i32 i32) (result i32) {convert} (i32.const {CONVERTED}))
              (func (export \"cabi_post_{EXPORT}#convert\") (param i32) (global.set $heap (i32.const {HEAP})))
              {data})"
        )
    }
}

const EXPORT: &str = "influxdb-loader:converter/converter@0.1.0";

/// Data of the module: words from an address on.
pub(super) fn words(at: u32, words: &[u32]) -> String {
    bytes(at, &words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
}

fn bytes(at: u32, bytes: &[u8]) -> String {
    let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const {at}) \"{bytes}\")\n")
}
