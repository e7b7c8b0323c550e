//! `converter dev`: a workbench in the browser. Watches a project, rebuilds it, and shows what it makes of a sample.
//!
//! One page on loopback, which nobody else can ask ([`guard`]), by a few lines of HTTP ([`http`]). The page holds no knowledge: it
//! shows what `inspect`, `test`, `diff` and `bench` know, as data ([`workbench`]), and its buttons run the commands that an author
//! would run ([`actions`]).

mod guard;
mod http;
mod watch;
mod samples;
mod look;
mod ends;
mod actions;
mod workbench;

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::project::{ProjectError, language};
use crate::cli::{CliError, print};
use crate::config::Config;
use crate::logs::on_a_thread;
use crate::registry::patterns;
use crate::report::{Failure, FailureKind};
use actions::Action;
use guard::Guard;
use http::{Answer, Request};
use samples::Sample;
use workbench::Workbench;

/// The page, as it is served.
const PAGE: [(&str, &str, &str); 3] = [
    ("", "text/html; charset=utf-8", include_str!("page/page.html")),
    ("page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("page.js", "text/javascript; charset=utf-8", include_str!("page/page.js")),
];

/// The arguments of `converter dev`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The project.
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// The sample to begin with, instead of the first of the project's golden pairs. Others can be dropped on the page.
    #[arg(long, value_name = "FILE.parquet")]
    sample: Option<PathBuf>,
    /// The port of 127.0.0.1 [default: a free one].
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Sign what the page publishes and promotes with the key in this file.
    #[arg(long, value_name = "KEY-FILE")]
    sign: Option<PathBuf>,
    /// Publish from the page with these patterns, as `converter publish --serves` does.
    #[arg(long, value_name = "PATTERNS")]
    serves: Option<String>,
    /// Print the page's address as JSON.
    #[arg(long)]
    json: bool,
}

/// Why the workbench does not work.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum DevError {
    #[error("cannot listen at 127.0.0.1:{port}\nhint: omit `--port` to take a free one")]
    Listen {
        port: u16,
        #[source]
        cause: io::Error,
    },
    #[error("the system gives no random numbers for a token")]
    Random,
    #[error("cannot write to a temporary directory")]
    Temporary(#[source] io::Error),
    #[error("the work on the project has stopped")]
    Stopped(#[source] tokio::task::JoinError),
    #[error("that is no sample: {reason}")]
    NotASample { reason: String },
    #[error("cannot run a command of the loader")]
    Command(#[source] io::Error),
    #[error("cannot read what a command of the loader printed")]
    Output(#[source] io::Error),
    #[error("`{command}` was stopped after {limit:?}")]
    TooSlow { command: String, limit: Duration },
    #[error("the project has been built again: look at it first")]
    BuiltAgain,
    #[error("{what} was stopped after {limit:?}\nhint: run it in a shell")]
    TooLong { what: &'static str, limit: Duration },
    #[error(
        "another component is published under this version\nhint: raise the version of the project, and publish it"
    )]
    OtherPublished,
    #[error("cannot wait for signals")]
    Signal(#[source] io::Error),
}

/// Serves the workbench until it is interrupted. Returns true.
pub(super) async fn dev(config: &Config, arguments: &Arguments) -> Result<bool, CliError> {
    let Arguments { directory, sample, port, sign, serves, json: as_json } = arguments;
    let project = std::fs::canonicalize(directory).map_err(ProjectError::file(directory))?;
    let language = language(&project)?;
    let sample = sample.as_deref().map(Sample::file).transpose()?;
    let serves = serves.as_deref().map(patterns).transpose()?;
    let listen = |cause| DevError::Listen { port: *port, cause };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).await.map_err(listen)?;
    let guard = Arc::new(Guard::new(listener.local_addr().map_err(listen)?)?);
    let workbench = Workbench::new(config, project, language, sign.clone(), serves, sample)?;
    let url = guard.url();
    print(&if *as_json {
        format!("{}\n", json!({ "url": url }))
    } else {
        format!("workbench  {url}\nwatches    {}\nend it with Ctrl-C\n", workbench.project.display())
    })?;
    let page = Arc::clone(&workbench);
    let serve = http::serve(listener, guard, move |request| respond(Arc::clone(&page), request));
    let mut terminate = signal(SignalKind::terminate()).map_err(DevError::Signal)?;
    tokio::select! {
        () = serve => {}
        () = Arc::clone(&workbench).watch() => {}
        // On its own: what it does must not keep requests and signals waiting.
        _ = tokio::spawn(Arc::clone(&workbench).work()) => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(DevError::Signal)?,
        _ = terminate.recv() => {}
    }
    // The runtime waits for threads: a build that runs is ended with the workbench.
    workbench.stop.store(true, Ordering::Relaxed);
    Ok(true)
}

/// Answers a request that the guard let through.
async fn respond(workbench: Arc<Workbench>, request: Request) -> Answer {
    let Request { changes, path, query, body } = request;
    if !changes {
        if let Some((_, kind, text)) = PAGE.iter().find(|(name, _, _)| *name == path) {
            return Answer::ok(kind, *text);
        }
        return match path.as_str() {
            "api/state" => Answer::ok("application/json", workbench.shown().to_string()),
            "api/events" => Answer::Events(workbench.changes()),
            _ => Answer::text("404 Not Found", "there is no such page"),
        };
    }
    match path.as_str() {
        "api/sample" => drop_sample(workbench, &query, body).await,
        "api/choose" => match workbench.sample(&parameter(&query, "name")) {
            Some(sample) => {
                workbench.choose(sample);
                accepted()
            }
            None => Answer::text("404 Not Found", "there is no such sample any more"),
        },
        "api/accept" | "api/publish" | "api/promote" => act(&workbench, &path, &query),
        _ => Answer::text("404 Not Found", "there is no such action"),
    }
}

fn accepted() -> Answer {
    Answer::text("202 Accepted", "")
}

/// A parameter of a query, empty where it is missing.
fn parameter(query: &str, name: &str) -> String {
    let value = query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
    value.map_or_else(String::new, |(_, value)| percent_decode_str(value).decode_utf8_lossy().into_owned())
}

async fn drop_sample(workbench: Arc<Workbench>, query: &str, body: Vec<u8>) -> Answer {
    let name = parameter(query, "name");
    let keeper = Arc::clone(&workbench);
    let kept = on_a_thread(move || samples::keep(keeper.dropped.path(), &name, &body)).await;
    match kept.map_err(|error| DevError::Stopped(error).into()).and_then(|kept| kept) {
        Ok(sample) => {
            workbench.choose(sample);
            accepted()
        }
        Err(error) => {
            let error: CliError = error;
            let failure = Failure::new(FailureKind::Unexpected, &error);
            Answer::text("422 Unprocessable Content", failure.to_string())
        }
    }
}

/// Starts what a button does. It gets the component that the page shows, so that nothing else is released.
fn act(workbench: &Arc<Workbench>, path: &str, query: &str) -> Answer {
    let shown = parameter(query, "digest");
    let Some(built) = workbench.built().filter(|built| built.converter.digest() == shown) else {
        return Answer::text("409 Conflict", DevError::BuiltAgain.to_string());
    };
    let key = workbench.sign.as_deref();
    let action = match path {
        "api/accept" => Action::accept(&workbench.project),
        "api/publish" => Action::publish(&workbench.project, &built, key, workbench.serves.as_deref()),
        _ => Action::promote(&built, key),
    };
    if !workbench.begin() {
        return Answer::text("409 Conflict", "another command is running");
    }
    tokio::spawn(Arc::clone(workbench).act(action, built));
    accepted()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(parameter("name=golden%2Fa%20b.parquet&x=1", "name"), "golden/a b.parquet");
        assert_eq!(parameter("x=1", "name"), "");
    }

    #[test]
    fn the_page_asks_for_nothing_from_elsewhere() {
        for (name, _, text) in PAGE {
            for outside in ["http://", "https://", "//cdn", "@import", "url("] {
                assert!(!text.contains(outside), "{name}: {outside}");
            }
        }
        // The policy that goes with the page forbids scripts and styles that stand in it.
        let (_, _, html) = PAGE[0];
        assert!(!html.contains("style=") && !html.contains("onclick") && !html.contains("<style"));
    }
}
