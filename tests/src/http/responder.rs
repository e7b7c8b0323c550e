//! A server that answers as the test decides: for what stands between the loader and a server that is real.

use std::sync::{Arc, Mutex};

use super::{Cut, Flow, HttpServer, Request, Response};

/// Answers requests, and remembers them. Ends when it is dropped.
#[derive(Debug)]
pub struct Responder {
    server: HttpServer,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Responder {
    /// Answers every request with what `answer` returns for it.
    pub fn start(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let server = HttpServer::start({
            let requests = Arc::clone(&requests);
            move |head, wire| {
                let Ok(body) = wire.read_body() else { return Flow::End(Cut::Close) };
                let request = head.request.clone().body(body);
                let response = answer(&request);
                requests.lock().unwrap().push(request);
                wire.send(&response.encode())
            }
        });
        Self { server, requests }
    }

    /// Answers every request with the same.
    pub fn always(response: Response) -> Self {
        Self::start(move |_| response.clone())
    }

    /// Such as `http://127.0.0.1:1234`.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}
