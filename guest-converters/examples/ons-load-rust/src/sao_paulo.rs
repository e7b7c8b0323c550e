//! São Paulo's time → UTC. A sandbox has no time zone database, and one zone needs none: the clock was three hours
//! behind UTC, and two in summer, until summer time was given up in 2019.

use converter_sdk::parse;

/// An instant in nanoseconds since the epoch, or why there is none.
pub(crate) type Instant = Result<i64, &'static str>;

/// A day of the calendar: year, month, day.
type Day = (i64, i64, i64);

const HOUR: i64 = 3_600_000_000_000;

/// Each summer: the day on which it began, when 00:00 became 01:00, and the day on which it ended, at whose beginning
/// 00:00 became 23:00 of the day before.
const SUMMERS: [(Day, Day); 20] = [
    ((1999, 10, 3), (2000, 2, 27)),
    ((2000, 10, 8), (2001, 2, 18)),
    ((2001, 10, 14), (2002, 2, 17)),
    ((2002, 11, 3), (2003, 2, 16)),
    ((2003, 10, 19), (2004, 2, 15)),
    ((2004, 11, 2), (2005, 2, 20)),
    ((2005, 10, 16), (2006, 2, 19)),
    ((2006, 11, 5), (2007, 2, 25)),
    ((2007, 10, 14), (2008, 2, 17)),
    ((2008, 10, 19), (2009, 2, 15)),
    ((2009, 10, 18), (2010, 2, 21)),
    ((2010, 10, 17), (2011, 2, 20)),
    ((2011, 10, 16), (2012, 2, 26)),
    ((2012, 10, 21), (2013, 2, 17)),
    ((2013, 10, 20), (2014, 2, 16)),
    ((2014, 10, 19), (2015, 2, 22)),
    ((2015, 10, 18), (2016, 2, 21)),
    ((2016, 10, 16), (2017, 2, 19)),
    ((2017, 10, 15), (2018, 2, 18)),
    ((2018, 11, 4), (2019, 2, 17)),
];

/// Reads a local time such as `2018-01-01 00:00:00.000`.
pub(crate) fn instant(text: &str) -> Instant {
    // What names its offset is no local time.
    let has_offset = text.get(10..).is_some_and(|time| time.contains(['Z', 'z', '+', '-']));
    let local = parse::timestamp(text).filter(|_| !has_offset).ok_or("the time cannot be read")?;
    if local < midnight(SUMMERS[0].0) {
        return Err("the local time is before 1999-10-03, from when on summers are known");
    }
    for (begin, end) in SUMMERS.map(|(begin, end)| (midnight(begin), midnight(end))) {
        if (begin..begin + HOUR).contains(&local) {
            return Err("the local time does not exist: summer time began");
        }
        if (end - HOUR..end).contains(&local) {
            return Err("the local time is ambiguous: summer time ended");
        }
        if (begin..end).contains(&local) {
            return Ok(local + 2 * HOUR);
        }
    }
    local.checked_add(3 * HOUR).ok_or("the time cannot be read")
}

/// The nanoseconds from 1970-01-01 to a day, as if there were no time zones.
const fn midnight((year, month, day): Day) -> i64 {
    // Years begin in March here, so that the leap day is their last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    (days - 719_468) * 24 * HOUR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_at(local: &str, utc: &str) -> bool {
        instant(local).ok() == parse::timestamp(utc) && instant(local).is_ok()
    }

    #[test]
    fn the_clock_is_two_hours_behind_in_summer_and_else_three() {
        assert!(is_at("2018-01-01 00:00:00.000", "2018-01-01T02:00:00Z"));
        assert!(is_at("2018-07-01 00:00:00.000", "2018-07-01T03:00:00Z"));
        assert!(is_at("2021-01-01T00:00:00", "2021-01-01T03:00:00Z"));
    }

    #[test]
    fn the_first_hour_of_a_summer_does_not_exist() {
        assert!(is_at("2018-11-03 23:59:59.999", "2018-11-04T02:59:59.999Z"));
        assert_eq!(instant("2018-11-04 00:00:00.000"), Err("the local time does not exist: summer time began"));
        assert_eq!(instant("2018-11-04 00:59:59.999"), Err("the local time does not exist: summer time began"));
        assert!(is_at("2018-11-04 01:00:00.000", "2018-11-04T03:00:00Z"));
    }

    #[test]
    fn the_hour_before_the_end_of_a_summer_is_ambiguous() {
        assert!(is_at("2018-02-17 22:59:59.999", "2018-02-18T00:59:59.999Z"));
        assert_eq!(instant("2018-02-17 23:00:00.000"), Err("the local time is ambiguous: summer time ended"));
        assert_eq!(instant("2018-02-17 23:59:59.999"), Err("the local time is ambiguous: summer time ended"));
        assert!(is_at("2018-02-18 00:00:00.000", "2018-02-18T03:00:00Z"));
    }

    #[test]
    fn what_is_no_local_time_is_refused() {
        for text in ["", "2018-01-01", "2018-01-01 00:00:00Z", "2018-01-01 00:00:00-02:00", "1999-10-02 23:00:00", "é"]
        {
            assert!(instant(text).is_err(), "{text}");
        }
        assert!(instant("2262-04-11 23:00:00").is_err());
    }
}
