//! What guests answer, checked: nothing of it is used before it has passed here. Every rule of `wit/converter.wit` that a
//! guest can break has its check; an answer that breaks one is an error that names the item and the reason.

mod columns;
mod description;
mod plan;

pub(super) use columns::{converted, translated};
pub(super) use description::description;
pub(super) use plan::plan;

use super::bindings::v0_2::influxdb_loader::converter::types as wit;
use super::error::Problem;
use super::text::one_line;

/// The longest code of a rejection or a problem, in bytes: it is a dimension of metrics.
const MAX_CODE_BYTES: usize = 64;

/// The longest message that is kept, in bytes: a sentence with a value in it. The rest is cut off.
const MAX_MESSAGE_BYTES: usize = 1024;

/// How many problems of an object are kept: more than people read.
const MAX_PROBLEMS: usize = 100;

/// What is wrong with an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid {
    /// Where, such as `computed[1].validity`.
    pub item: String,
    /// Why: the sentence that begins with the item.
    pub reason: String,
}

impl Invalid {
    fn new(item: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { item: item.into(), reason: reason.into() }
    }

    /// The same, seen from outside of `outer`.
    pub(super) fn within(mut self, outer: impl std::fmt::Display) -> Self {
        self.item = format!("{outer}.{}", self.item);
        self
    }
}

/// A code of a rejection.
fn code(code: String) -> Result<String, Invalid> {
    if code.len() > MAX_CODE_BYTES || !super::text::is_kebab_case(&code) {
        let code = one_line(&code, MAX_CODE_BYTES);
        let reason = format!("must be words of lower case joined by `-`, at most {MAX_CODE_BYTES} bytes: `{code}`");
        return Err(Invalid::new("code", reason));
    }
    Ok(code)
}

/// The problems for which a guest rejects its input. They only inform, so that they are trimmed rather than refused.
pub(super) fn problems(problems: Vec<wit::Problem>) -> Result<Vec<Problem>, Invalid> {
    if problems.is_empty() {
        return Err(Invalid::new("problems", "is empty: a rejection names at least one"));
    }
    Ok(problems
        .into_iter()
        .take(MAX_PROBLEMS)
        .map(|problem| Problem {
            code: one_line(&problem.code, MAX_CODE_BYTES),
            message: one_line(&problem.message, MAX_MESSAGE_BYTES),
            column: problem.column.map(|column| one_line(&column, MAX_MESSAGE_BYTES)),
        })
        .collect())
}
