//! Which version of an object is loaded, skipped, loaded again, or fails: one pure function, without input or output.
//!
//! Events report versions late, twice and in any order, and several invocations may load one object at a time. So an event
//! that reports an object is no order to load the version that it reports: whatever is newest is read, and the newest is
//! looked at again when the load has ended. Another one is loaded in turn, until what was read is the newest. Whoever writes
//! last has then read the newest, or reports that it has not, or fails and is redelivered:
//!
//! ```text
//! event ─→ read the newest ─→ loaded, or failed ─→ look at the newest ─┬─ the same ─→ done, or failed
//!             ↑                                                        ├─ another ─┐
//!             └────────────────────────────────────────────────────────────────────┘
//!                                                                      ├─ deleted, gone ─→ skipped
//!                                                                      └─ unknown ─→ failed
//! ```

/// How often the newest version is loaded before an object that keeps changing fails its event. Redelivery tries again.
pub const MAXIMUM_LOADS: u8 = 10;

/// What an event asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// The object, as a notification reports it: the newest version, and nothing where there is none.
    Reported,
    /// The object, as a caller names it: the newest version, and an error where there is none.
    Newest,
    /// A part of the newest version, or the newest on condition that it is a certain one, as what is left of a load is asked
    /// for. Where it is replaced, all of the newest is loaded in its place, and asked for as [`Asked::Newest`] from then on.
    Part,
    /// This version: as asked.
    Exactly,
}

/// How a load ended. `S` distinguishes object versions: a version, an entity tag, or a number in a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End<S> {
    /// All of this state is loaded.
    Loaded(S),
    /// It failed while it read this state, or before it read any.
    Failed(Option<S>),
    /// The deadline passed: the rest is left for another event.
    Stopped,
}

/// What the newest version is, when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Newest<S> {
    /// This one.
    Is(S),
    /// A delete marker.
    DeleteMarker,
    /// There is no object.
    Gone,
    /// It cannot be determined.
    Unknown,
}

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// The newest version is read and loaded.
    Load,
    /// The event is done: as loaded, or left, as the load reports.
    Done,
    /// The event is done without the object, with a warning.
    Skip,
    /// The event has failed: as the load reports, or because the newest version is unknown.
    Fail,
}

/// Whether the newest version has to be looked at before [`next`] can decide.
pub fn looks<S>(asked: Asked, end: &End<S>) -> bool {
    match (asked, end) {
        (Asked::Exactly, _) | (_, End::Stopped) => false,
        // Nothing was read: only a notification may be about what is gone.
        (Asked::Newest, End::Failed(None)) => false,
        (Asked::Reported | Asked::Newest | Asked::Part, End::Loaded(_) | End::Failed(_)) => true,
    }
}

/// What is done next for an event that asks for `asked`, after `loads` loads for it, of which the last ended as `end`, and
/// then the newest version was `newest`. Where [`looks`] returns `false`, `newest` does not matter.
pub fn next<S: PartialEq>(asked: Asked, loads: u8, end: &End<S>, newest: &Newest<S>) -> Next {
    let read = match end {
        End::Stopped => return Next::Done,
        End::Loaded(_) if asked == Asked::Exactly => return Next::Done,
        End::Failed(_) if !looks(asked, end) => return Next::Fail,
        End::Loaded(state) => Some(state),
        End::Failed(state) => state.as_ref(),
    };
    match newest {
        Newest::Is(state) if read == Some(state) => match end {
            End::Loaded(_) => Next::Done,
            End::Failed(_) | End::Stopped => Next::Fail,
        },
        // A load that read nothing and failed fails again, unless the object has come to be meanwhile: redelivery finds out.
        // A part is not found in an object that was replaced.
        Newest::Is(_) if read.is_none() && asked != Asked::Part => Next::Fail,
        Newest::Is(_) if loads < MAXIMUM_LOADS => Next::Load,
        Newest::Is(_) | Newest::Unknown => Next::Fail,
        Newest::DeleteMarker | Newest::Gone => match (asked, end) {
            (Asked::Reported, _) => Next::Skip,
            (_, End::Loaded(_)) => Next::Done,
            (_, End::Failed(_) | End::Stopped) => Next::Fail,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: u8 = 1;
    const NEW: u8 = 2;

    #[test]
    fn the_newest_that_was_loaded_is_done() {
        for asked in [Asked::Reported, Asked::Newest] {
            assert_eq!(next(asked, 1, &End::Loaded(NEW), &Newest::Is(NEW)), Next::Done);
        }
    }

    #[test]
    fn a_newer_version_is_loaded_whether_the_load_before_it_succeeded_or_not() {
        for end in [End::Loaded(OLD), End::Failed(Some(OLD))] {
            assert_eq!(next(Asked::Reported, 1, &end, &Newest::Is(NEW)), Next::Load);
        }
    }

    #[test]
    fn the_newest_that_failed_fails() {
        assert_eq!(next(Asked::Reported, 1, &End::Failed(Some(NEW)), &Newest::Is(NEW)), Next::Fail);
        assert_eq!(next(Asked::Reported, 1, &End::Failed(None), &Newest::Is(NEW)), Next::Fail);
    }

    #[test]
    fn what_cannot_be_told_fails_even_after_a_load() {
        for end in [End::Loaded(NEW), End::Failed(Some(NEW)), End::Failed(None)] {
            assert_eq!(next(Asked::Reported, 1, &end, &Newest::Unknown), Next::Fail);
        }
    }

    #[test]
    fn what_is_deleted_or_gone_is_skipped_for_notifications_and_an_error_for_callers() {
        for newest in [Newest::DeleteMarker, Newest::Gone] {
            assert_eq!(next(Asked::Reported, 1, &End::<u8>::Failed(None), &newest), Next::Skip);
            assert_eq!(next(Asked::Newest, 1, &End::<u8>::Failed(None), &newest), Next::Fail);
            assert_eq!(next(Asked::Newest, 1, &End::Loaded(OLD), &newest), Next::Done);
        }
    }

    #[test]
    fn what_was_replaced_since_a_part_of_it_was_loaded_is_loaded_as_a_whole() {
        for end in [End::Loaded(OLD), End::Failed(Some(OLD)), End::Failed(None)] {
            assert_eq!(next(Asked::Part, 1, &end, &Newest::Is(NEW)), Next::Load);
        }
        assert_eq!(next(Asked::Part, 1, &End::Loaded(NEW), &Newest::Is(NEW)), Next::Done);
        assert_eq!(next(Asked::Part, 1, &End::Failed(Some(NEW)), &Newest::Is(NEW)), Next::Fail);
        assert_eq!(next(Asked::Part, 1, &End::<u8>::Failed(None), &Newest::Gone), Next::Fail);
    }

    #[test]
    fn what_is_asked_for_exactly_is_loaded_as_asked() {
        assert!(!looks(Asked::Exactly, &End::Loaded(OLD)));
        assert_eq!(next(Asked::Exactly, 1, &End::Loaded(OLD), &Newest::Is(NEW)), Next::Done);
        assert_eq!(next(Asked::Exactly, 1, &End::Failed(Some(OLD)), &Newest::Is(NEW)), Next::Fail);
    }

    #[test]
    fn a_load_that_stopped_is_left_to_the_event_of_the_rest() {
        assert_eq!(next(Asked::Reported, 1, &End::Stopped, &Newest::Is(NEW)), Next::Done);
    }

    #[test]
    fn an_object_that_keeps_changing_fails_in_the_end() {
        let loads =
            (1..).find(|loads| next(Asked::Reported, *loads, &End::Loaded(OLD), &Newest::Is(NEW)) != Next::Load);
        assert_eq!(loads, Some(MAXIMUM_LOADS));
        assert_eq!(next(Asked::Reported, MAXIMUM_LOADS, &End::Loaded(OLD), &Newest::Is(NEW)), Next::Fail);
    }
}

#[cfg(test)]
#[path = "versions_model_tests.rs"]
mod model_tests;
