//! How the memory of the process is shared between objects and converters.

const MIB: usize = 1024 * 1024;

/// What the function takes that loads nothing: code, compiled converters, connections; in MiB.
const BASE: usize = 64;
/// What one object may take by default, in MiB.
const OBJECT: usize = 128;
/// The least that one object may take, in MiB, as `OBJECT_MEMORY_MIB` has it.
const LEAST_OBJECT: usize = 16;
/// What one instance of a converter may take by default, in MiB.
const INSTANCE: usize = 256;
/// What an interpreted converter needs, in MiB.
const INTERPRETER: usize = 96;
/// What is left for objects while a converter is compiled, where that leaves the compiler more than three quarters, in MiB.
const BESIDE_COMPILER: usize = 32;
/// The most objects at a time that are chosen: more make nothing faster.
const MOST_OBJECTS: usize = 8;

/// How the memory of the process is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySettings {
    /// What the host holds for one object, in MiB.
    pub object_mib: usize,
    /// How many objects of an event are loaded at a time.
    pub objects: usize,
    /// Bytes of memory of one instance of a converter.
    pub instance_bytes: usize,
    /// Bytes of memory of all instances together.
    pub instances_bytes: usize,
    /// Bytes of memory of the process that compiles a converter: while it does, objects wait for the converter.
    pub compile_bytes: usize,
    /// Bytes of code of converters that stay mapped. They are pages of files, which the system reclaims where memory is
    /// short, and no part of the sum.
    pub code_bytes: usize,
}

/// The settings, in MiB and objects.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) object: Option<usize>,
    pub(super) objects: Option<usize>,
    pub(super) instance: Option<usize>,
}

impl MemorySettings {
    /// Shares so many MiB, so that the sum fits as far as settings leave room; without a function there is enough.
    pub(super) fn share(function: Option<usize>, asked: Asked) -> Self {
        let whole = function.unwrap_or(BASE + MOST_OBJECTS * (OBJECT + INSTANCE));
        let instances = (whole / 4).max(INTERPRETER.min(whole / 8 * 3)).max(asked.instance.unwrap_or(0));
        let left = whole.saturating_sub(BASE + instances);
        let object_mib = asked.object.unwrap_or_else(|| left.clamp(LEAST_OBJECT, OBJECT));
        Self {
            object_mib,
            objects: asked.objects.unwrap_or_else(|| (left / object_mib.max(1)).clamp(1, MOST_OBJECTS)),
            instance_bytes: asked.instance.unwrap_or(INSTANCE.min(instances)).saturating_mul(MIB),
            instances_bytes: instances.saturating_mul(MIB),
            compile_bytes: (whole / 4 * 3).max(whole.saturating_sub(BASE + BESIDE_COMPILER)).saturating_mul(MIB),
            code_bytes: (whole / 8).saturating_mul(MIB),
        }
    }

    /// The memory of the function, in MiB, where this is one.
    pub(super) fn of_function() -> Option<usize> {
        std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(function: usize) -> MemorySettings {
        MemorySettings::share(Some(function), Asked::default())
    }

    #[test]
    fn more_memory_loads_more_objects_at_a_time() {
        let objects = [128, 256, 512, 1024, 1769, 10_240].map(|memory| shared(memory).objects);
        assert_eq!(objects, [1, 1, 2, 5, 8, 8]);
        assert_eq!(MemorySettings::share(None, Asked::default()).objects, 8);
    }

    #[test]
    fn the_sum_fits_in_every_function() {
        for memory in 128..=10_240 {
            let MemorySettings { object_mib, objects, instance_bytes, instances_bytes, .. } = shared(memory);
            assert!(BASE + object_mib * objects + instances_bytes / MIB <= memory, "{memory} MiB");
            assert!(instance_bytes <= instances_bytes, "{memory} MiB");
        }
    }

    #[test]
    fn a_function_of_512_mib_has_room_to_compile_an_interpreter() {
        // A component in Python of 18 MB takes 400 MiB.
        assert_eq!([128, 256, 512, 1769].map(|memory| shared(memory).compile_bytes / MIB), [96, 192, 416, 1673]);
    }

    #[test]
    fn settings_win() {
        let asked = Asked { object: Some(64), objects: Some(3), instance: Some(512) };
        let shared = MemorySettings::share(Some(512), asked);
        assert_eq!((shared.object_mib, shared.objects), (64, 3));
        assert_eq!((shared.instance_bytes, shared.instances_bytes), (512 * MIB, 512 * MIB));
    }
}
