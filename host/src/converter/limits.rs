//! What a converter may use up.

use std::time::Duration;

/// What one instance of a converter may use up. What goes beyond fails with an error that names the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size of a component, in bytes.
    ///
    /// 64 MiB: a converter in Rust has 0.1 MB, one in Python, with the interpreter, 18 MB. The time to compile grows with the
    /// size, about half a second of a core for each MB.
    pub component_bytes: usize,
    /// The memory of the process that compiles a component, in bytes.
    ///
    /// 1 GiB: 19 MB of code alone take 650 MiB on two cores, and an interpreter of that size is mostly data.
    pub compile_bytes: usize,
    /// The time of processors to compile a component, in whole seconds.
    ///
    /// 120 s: an interpreter takes 9.
    pub compile_time: Duration,
    /// The code of converters that stays mapped when it is not in use, all together, in bytes.
    ///
    /// 256 MiB: a converter in Rust has 0.5 MiB, an interpreter 70.
    pub code_bytes: usize,
    /// The linear memories and tables of an instance, all together, in bytes.
    ///
    /// 256 MiB: a batch and what a converter computes from it take a few MiB, the heap of an interpreted guest under 100.
    /// A worker has one instance, so that a function of 1,024 MB has room for two that go to the limit.
    pub memory_bytes: usize,
    /// The linear memories and tables of all instances of an engine together, in bytes. An instance that finds no room
    /// waits until others are gone.
    pub process_bytes: usize,
    /// The time of one call of `translate` or `convert`, by the clock on the wall.
    ///
    /// 10 s: a batch of 8,192 rows takes a converter in Rust about a millisecond and one in Python some tens of them, and
    /// a function with little memory has a tenth of a core. A converter that hangs costs its object 10 s, not the
    /// invocation.
    pub call_time: Duration,
    /// The time to instantiate a component, and that of one call of `describe` or `prepare`.
    ///
    /// 10 s: what is true of a batch is true of a start, which takes microseconds, of an interpreter a millisecond.
    pub prepare_time: Duration,
    /// What one call may give to the host, in bytes, counted as the host holds it.
    ///
    /// 64 MiB: a hundred computed columns of 65,536 rows have 50 MiB.
    pub result_bytes: usize,
    /// The messages that an instance may log, and what it may write to standard output and standard error, in bytes.
    ///
    /// 64 KiB: some hundred messages. An object has an instance for each worker, so that a converter cannot drown the log.
    pub log_bytes: usize,
    /// The stack of a call, in bytes; at most [`Limits::MAX_STACK_BYTES`].
    ///
    /// 512 KiB: as wasmtime has it; converters keep their own data in linear memory.
    pub stack_bytes: usize,
}

impl Limits {
    /// The largest [`Limits::stack_bytes`]: calls run on the stack of the thread that makes them, of which threads of the
    /// loader have 2 MiB, and what the host does on behalf of a guest needs a part of it.
    pub const MAX_STACK_BYTES: usize = 1024 * 1024;
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            component_bytes: 64 * MIB,
            compile_bytes: 1024 * MIB,
            compile_time: Duration::from_secs(120),
            code_bytes: 256 * MIB,
            memory_bytes: 256 * MIB,
            process_bytes: 2048 * MIB,
            call_time: Duration::from_secs(10),
            prepare_time: Duration::from_secs(10),
            result_bytes: 64 * MIB,
            log_bytes: 64 * 1024,
            stack_bytes: 512 * 1024,
        }
    }
}
