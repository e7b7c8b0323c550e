//! Durations as InfluxDB 1.x and 2.x write them: `168h0m0s`.

use std::time::Duration;

/// In nanoseconds.
const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
];

/// Reads one of whole numbers. None where it is none, or is too long.
pub fn read(text: &str) -> Option<Duration> {
    let (mut rest, mut nanoseconds) = (text, 0_u64);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, size) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
        rest = &rest[unit.len()..];
        nanoseconds = nanoseconds.checked_add(number.checked_mul(*size)?)?;
        if rest.is_empty() {
            return Some(Duration::from_nanos(nanoseconds));
        }
    }
}

/// Writes one, in whole seconds.
pub fn of(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_they_are_written() {
        for (text, seconds) in [("0s", 0), ("59s", 59), ("1m0s", 60), ("1h0m0s", 3600), ("168h0m0s", 604_800)] {
            assert_eq!(read(text), Some(Duration::from_secs(seconds)));
            assert_eq!(of(Duration::from_secs(seconds)), text);
        }
        assert_eq!(read("1h30m500ms"), Some(Duration::from_millis(5_400_500)));
        for text in ["", "h", "1", "1w", "-1h", "1h ", "99999999999999h"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
