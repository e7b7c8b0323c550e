//! How many objects of an event are loaded at the same time.

/// What the function takes that loads nothing: code, compiled converters, connections; in MiB.
const BASE_MIB: usize = 128;

/// What the load of one object takes, in MiB: pages of its columns, batches, an instance of its converter, and requests
/// under way. Measured with a million rows of 11 columns: 40 with the settings as they are, 100 with requests of 5 MB.
const OBJECT_MIB: usize = 128;

/// The most that is chosen: more connections to S3 and batches under way make nothing faster.
const MAXIMUM: usize = 8;

/// What the settings say, else what the memory of the function suffices for.
pub(super) fn choose(setting: Option<usize>) -> usize {
    let memory = std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").ok();
    setting.unwrap_or_else(|| suited_to(memory.and_then(|memory| memory.parse().ok())))
}

/// What so many MiB of memory suffice for; where nobody says how many there are, there are enough.
fn suited_to(memory_mib: Option<usize>) -> usize {
    let objects = |memory: usize| memory.saturating_sub(BASE_MIB) / OBJECT_MIB;
    memory_mib.map_or(MAXIMUM, objects).clamp(1, MAXIMUM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_memory_loads_more_objects_at_a_time() {
        let chosen = [128, 256, 512, 1024, 1769, 10_240].map(|memory| suited_to(Some(memory)));
        assert_eq!(chosen, [1, 1, 3, 7, 8, 8]);
        assert_eq!(suited_to(None), 8);
    }

    #[test]
    fn the_setting_wins() {
        assert_eq!(choose(Some(3)), 3);
    }
}
