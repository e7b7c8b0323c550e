//! Uses up time, memory, stack and log.

use std::hint::black_box;

use crate::bindings::influxdb_loader::converter::types::Rejection;
use crate::{
    Batch, ColumnType, Converted, HONEST, Level, Plan, Problem, Strings, Values, column, converted, log, plan,
};

const MIB: usize = 1024 * 1024;

pub(crate) fn endless_loop() -> ! {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

/// Takes all memory that there is, and writes to every page of it.
pub(crate) fn memory_bomb() -> ! {
    let mut memory = Vec::new();
    loop {
        memory.push(black_box(vec![0xee_u8; MIB]));
    }
}

/// Takes much, no more than it may have, and does its work.
pub(crate) fn two_hundred_mib(batch: Batch) -> Result<Converted, Problem> {
    drop(black_box(vec![0xee_u8; 200 * MIB]));
    (HONEST.convert)(batch)
}

pub(crate) fn deep_recursion(_: Batch) -> Result<Converted, Problem> {
    fn deeper(depth: u64) -> u64 {
        let here = black_box([depth; 16]);
        if black_box(true) { deeper(depth + 1) + here[3] } else { depth }
    }
    panic!("came back from a depth of {}", deeper(0));
}

/// A hundred thousand messages, of a hundred megabytes in all.
pub(crate) fn flood_of_logs(level: Level, values: Strings) -> Result<Strings, Problem> {
    let message = "evil ".repeat(200);
    for _ in 0..100_000 {
        log(level, &message);
    }
    Ok(values)
}

pub(crate) fn panic_with_a_huge_message(_: Batch) -> Result<Converted, Problem> {
    panic!("{}", "evil\n".repeat(2 * MIB));
}

pub(crate) fn huge_plan() -> Result<Plan, Vec<Problem>> {
    let plan = plan(ColumnType::Float);
    Ok(Plan { points: vec![plan.points[0].clone(); 100_000], ..plan })
}

/// Twice what a call may give.
pub(crate) fn huge_output(_: Batch) -> Result<Converted, Problem> {
    Ok(converted(column(Values::Floats(vec![6.6; 16 * MIB]))))
}

/// Small in the guest, larger in the host: each has two texts of its own there.
pub(crate) fn huge_number_of_rejections(batch: Batch) -> Result<Converted, Problem> {
    let rejection = Rejection { row: 0, code: "evil".into(), message: String::new() };
    Ok(Converted { rejected: vec![rejection; 2 * MIB], ..(HONEST.convert)(batch)? })
}
