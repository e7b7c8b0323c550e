//! A log line as one flat JSON object: time, level and message, then the fields of the spans around it, outermost first, then
//! its own. Of two fields with one name the inner one counts.
//!
//! The format of `tracing_subscriber` keeps the fields of spans in objects of their own; here a query for `request_id` or
//! `key` finds every line of an invocation or of an object.

use std::error::Error;
use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// The format of a line. The fields of spans have to be formatted as JSON.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        let spans = context.event_scope().into_iter().flat_map(|scope| scope.from_root());
        for span in spans {
            if let Some(formatted) = span.extensions().get::<FormattedFields<N>>()
                && let Ok(members) = serde_json::from_str::<Map<String, Value>>(&formatted.fields)
            {
                fields.0.extend(members);
            }
        }
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap_or_default();
        let metadata = event.metadata();
        write!(writer, r#"{{"timestamp":""#)?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, r#"","level":"{}","message":{message},"target":"{}""#, metadata.level(), metadata.target())?;
        for (name, value) in fields.0 {
            write!(writer, ",{}:{value}", Value::String(name))?;
        }
        writeln!(writer, "}}")
    }
}

/// The fields of an event.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.add(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::fmt::layer;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The lines that are logged, without their times.
    fn logged(log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let sink = buffer.clone();
        let layer = layer().event_format(Json).fmt_fields(JsonFields::new()).with_writer(move || sink.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        let line = |line: &str| {
            let mut members: Map<String, Value> = serde_json::from_str(line).unwrap();
            assert!(members.remove("timestamp").unwrap().as_str().unwrap().ends_with('Z'), "{line}");
            format!("{}\n", Value::Object(members))
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn a_line_has_the_fields_of_all_its_spans_and_those_that_are_added_later() {
        let lines = logged(|| {
            let invocation = tracing::info_span!("invocation", request_id = "r-1", trace_id = Option::<&str>::None);
            let _invocation = invocation.enter();
            let object = tracing::info_span!("object", key = "a \"b\"", dataset = tracing::field::Empty);
            let _object = object.enter();
            tracing::warn!(rows = 7, share = 0.5, "rejected\nrows");
            object.record("dataset", "generation");
            tracing::info!(key = "c", well = true, "loaded");
        });
        insta::assert_snapshot!(lines, @r#"
        {"key":"a \"b\"","level":"WARN","message":"rejected\nrows","request_id":"r-1","rows":7,"share":0.5,"target":"influxdb_loader::logs::json::tests"}
        {"dataset":"generation","key":"c","level":"INFO","message":"loaded","request_id":"r-1","target":"influxdb_loader::logs::json::tests","well":true}
        "#);
    }
}
