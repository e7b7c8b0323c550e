//! The progress bar: on a terminal, and nowhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::pipeline::Progress;
use crate::verify::{self, Stage};

/// How often the bar is drawn, even when nothing moves, so that a waiting load does not look dead.
const TICK: Duration = Duration::from_millis(100);

/// Rows done of the rows that are known of.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(objects: usize) -> Self {
        // Hidden where standard error is not a terminal.
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let template = "{spinner} {msg} {wide_bar} {human_pos}/{human_len} rows, {per_sec}, {elapsed_precise}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(match objects {
            1 => "1 object".to_owned(),
            many => format!("{many} objects"),
        });
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    pub(super) fn finished_object(&self) {
        // Rows of an object that failed are done with, too.
        self.0.set_position(self.0.length().unwrap_or_default());
    }

    /// Prints without disturbing the bar.
    pub(super) fn suspend(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn opened(&self, rows: u64) {
        self.0.inc_length(rows);
    }

    fn advanced(&self, rows: u64) {
        self.0.inc(rows);
    }
}

impl verify::Progress for Bar {
    fn stage(&self, stage: Stage) {
        match stage {
            Stage::Reading => {}
            Stage::Summing(measurements) => {
                self.finished_object();
                self.0.set_message(format!("asking for the sums of {measurements} measurements"));
            }
            Stage::Comparing(values) => self.0.set_message(format!("comparing {values} values")),
        }
    }
}
