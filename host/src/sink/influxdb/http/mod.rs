//! One request, sent until it is answered or until there is no use in trying again: what a status means to every engine, by
//! which right it is sent, and when it is tried again. Knows no line and no engine.

mod breaker;
mod courier;
mod credentials;
mod exchange;
mod climb;
mod limiter;
mod retry;
mod trust;
mod url;

pub(super) use courier::{Courier, Sent, client};
pub(super) use credentials::{Credentials, Scheme};
#[cfg(test)]
pub(super) use exchange::BODY_PATIENCE;
pub(super) use exchange::{
    BODY_LIMIT, Body, Exchange, Failure, Request, SMALL, judge_health, judge_ping, judge_query, judge_write,
};
pub(super) use retry::{Backoff, Tolerance};
pub(super) use trust::is_untrusted;
pub(super) use url::{is_this_machine, join, parse, shown};
