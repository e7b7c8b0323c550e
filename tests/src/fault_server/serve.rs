//! One request: the script is asked what goes wrong, and that is done.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::arrival::{Arrival, Body};
use super::engine::Engine;
use super::fault::{Cut, Fault};
use crate::Response;
use crate::http::{Flow, Head, Wire};

impl Shared {
    pub(super) fn serve(&self, head: &Head, wire: &mut Wire<'_>) -> Flow {
        let (place, write) = self.log.begin(head, Engine::is_write(&head.request));
        let arrival = Arrival::new(head, write, &self.log, || wire.read_body());
        // A copy, so that other requests are not kept waiting by a script.
        let script = Arc::clone(&self.script.lock().unwrap());
        let fault = script(&arrival);
        let leaves_body = matches!(fault, Fault::AnswerHead(_) | Fault::CutAtHead(_) | Fault::CutInBody(..));
        if !leaves_body {
            arrival.body();
        }
        let body = arrival.into_body();
        let mut exchange = Exchange { shared: self, head, wire, place };
        match body {
            Some(body) => {
                self.log.add_body(place, &body);
                exchange.fail(fault, &body)
            }
            None if leaves_body => exchange.fail_early(fault),
            // The client went away.
            None => exchange.cut(Cut::Close),
        }
    }
}

/// A request whose fault is known.
struct Exchange<'a, 'w> {
    shared: &'a Shared,
    head: &'a Head,
    wire: &'a mut Wire<'w>,
    place: usize,
}

impl Exchange<'_, '_> {
    fn fail(&mut self, fault: Fault, body: &Body) -> Flow {
        match fault {
            Fault::None => {
                let answer = self.behave(body);
                self.wait_for_the_tick();
                self.answer(&answer)
            }
            Fault::Delay(time) => {
                self.wire.wait(time);
                let answer = self.behave(body);
                self.answer(&answer)
            }
            Fault::Lie(lie) => {
                let answer = lie.of(self.behave(body));
                self.answer(&answer)
            }
            Fault::Answer(answer) => self.answer(&answer),
            Fault::CutAfterBody(cut) => self.cut(cut),
            Fault::CutAnswer(bytes, cut) => {
                let answer = self.behave(body).encode();
                self.wire.send(&answer[..bytes.min(answer.len())]);
                self.cut(cut)
            }
            Fault::StallAnswer(bytes) => {
                let answer = self.behave(body).encode();
                self.wire.send(&answer[..bytes.min(answer.len())]);
                self.fall_silent()
            }
            Fault::Silence => self.fall_silent(),
            Fault::CutAfterwards(cut) => {
                let answer = self.behave(body);
                self.answer(&answer);
                Flow::End(cut)
            }
            early => self.fail_early(early),
        }
    }

    /// What goes wrong before the body is read.
    fn fail_early(&mut self, fault: Fault) -> Flow {
        match fault {
            Fault::AnswerHead(answer) => {
                self.answer(&answer);
                Flow::End(Cut::Reset)
            }
            Fault::CutInBody(bytes, cut) => {
                // A client that goes away first is cut off all the same.
                drop(self.wire.read_of_body(bytes));
                self.cut(cut)
            }
            Fault::CutAtHead(cut) | Fault::CutAfterBody(cut) => self.cut(cut),
            _ => self.cut(Cut::Close),
        }
    }

    fn behave(&self, body: &Body) -> Response {
        self.shared.engine.answer(&self.head.request, body)
    }

    /// InfluxDB 3 flushes its log once a tick, counted from its start, and answers all writes of it together.
    fn wait_for_the_tick(&self) {
        let rules = self.shared.engine.state().rules.clone();
        let request = &self.head.request;
        let syncs = request.parameter("no_sync").as_deref() != Some("true");
        let Some(tick) = rules.tick.filter(|_| Engine::is_write(request) && syncs) else { return };
        let into_tick = self.shared.started.elapsed().as_nanos() % tick.as_nanos();
        self.wire.wait(tick - Duration::from_nanos(u64::try_from(into_tick).unwrap()));
    }

    fn answer(&mut self, answer: &Response) -> Flow {
        self.shared.log.end(self.place, Some(answer.status));
        self.wire.send(&answer.encode())
    }

    fn cut(&mut self, cut: Cut) -> Flow {
        self.shared.log.end(self.place, None);
        Flow::End(cut)
    }

    fn fall_silent(&mut self) -> Flow {
        self.wire.wait_for_the_client_to_go();
        self.cut(Cut::Close)
    }
}
