//! What may go wrong with a request, and scripts that decide when.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::arrival::Arrival;
use crate::Response;
pub use crate::http::Cut;

/// What a server does with a request.
#[derive(Clone, Debug, Default)]
pub enum Fault {
    /// What the engine does.
    #[default]
    None,
    /// What the engine does, after a while.
    Delay(Duration),
    /// The request is read to its end, and this is the answer. Nothing is stored.
    Answer(Response),
    /// This is the answer to the head alone, and the connection ends before the body is read, as proxies do it with bodies
    /// that are too large. Nothing is stored.
    AnswerHead(Response),
    /// The connection ends before the body is read. Nothing is stored.
    CutAtHead(Cut),
    /// The connection ends after so many bytes of the body. Nothing is stored.
    CutInBody(usize, Cut),
    /// The connection ends after the body. Nothing is stored.
    CutAfterBody(Cut),
    /// What the engine does, except that the connection ends after so many bytes of the answer.
    CutAnswer(usize, Cut),
    /// What the engine does, except that nothing of the answer follows after so many bytes.
    StallAnswer(usize),
    /// The request is read to its end, and there never is an answer. Nothing is stored.
    Silence,
    /// What the engine does, and then the connection ends, which the answer has not announced.
    CutAfterwards(Cut),
    /// What the engine does, except for the answer.
    Lie(Lie),
}

/// Makes another answer of the engine's.
#[derive(Clone)]
pub struct Lie(Arc<dyn Fn(Response) -> Response + Send + Sync>);

impl Lie {
    pub(super) fn of(&self, answer: Response) -> Response {
        (self.0)(answer)
    }
}

impl fmt::Debug for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lie")
    }
}

impl Fault {
    /// An answer without headers; nothing is stored.
    pub fn answer(status: u16, body: &str) -> Self {
        Self::Answer(Response::new(status, body))
    }

    /// What the engine does, except for the answer, which is what `lie` makes of the engine's.
    pub fn lie(lie: impl Fn(Response) -> Response + Send + Sync + 'static) -> Self {
        Self::Lie(Lie(Arc::new(lie)))
    }

    /// What the engine does, and no answer: the connection is reset.
    pub fn lose_answer() -> Self {
        Self::CutAnswer(0, Cut::Reset)
    }
}

/// Decides what is to go wrong with each request.
pub(super) type Script = Arc<dyn Fn(&Arrival<'_>) -> Fault + Send + Sync>;

/// Faults by chance: of so many writes one fails, in one of several ways. Which, depends on the seed, the bytes of the body
/// and the attempt at them alone, so that the same load meets the same faults whatever its threads do.
#[derive(Clone, Debug)]
pub struct Mix {
    seed: u64,
    one_in: u64,
    faults: Vec<Fault>,
}

impl Mix {
    /// One in `one_in` writes fails as one of `faults`, each of them equally often.
    pub fn new(seed: u64, one_in: u64, faults: impl Into<Vec<Fault>>) -> Self {
        Self { seed, one_in, faults: faults.into() }
    }

    /// What is to go wrong with this request.
    pub fn fault(&self, arrival: &Arrival<'_>) -> Fault {
        if arrival.write().is_none() {
            return Fault::None;
        }
        let attempt = arrival.attempt() as u64;
        let mut random = fastrand::Rng::with_seed(self.seed ^ arrival.hash().rotate_left(17) ^ attempt);
        if random.u64(..self.one_in) > 0 {
            return Fault::None;
        }
        random.choice(&self.faults).cloned().unwrap_or_default()
    }
}
