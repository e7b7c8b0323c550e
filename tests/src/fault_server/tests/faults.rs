//! The faults, as a client meets them, and what is written down of them.

use super::*;

const BAD: &str = "HTTP/1.1 503 -\r\nretry-after: 1\r\ncontent-length: 4\r\n\r\nbusy";

fn server(fault: Fault) -> FaultServer {
    FaultServer::start(Dialect::V1)
        .failing(move |arrival| if arrival.is_write_of(..1) { fault.clone() } else { Fault::None })
}

fn write() -> Request {
    write_of(Dialect::V1, "load mw=1 1\n")
}

/// How the first write of a connection ends: what is answered, or how the connection ends.
fn told(server: &FaultServer) -> String {
    let mut connection = Connection::to(server);
    match connection.exchange(&write()).as_deref() {
        Ok("") => "closed".to_owned(),
        Ok(answer) => answer.lines().next().unwrap().to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

#[test]
fn without_a_fault_a_connection_is_kept_and_many_are_served() {
    let server = FaultServer::start(Dialect::V1);
    let mut connections = [Connection::to(&server), Connection::to(&server)];
    for _ in 0..3 {
        for connection in &mut connections {
            assert!(connection.exchange(&write()).unwrap().starts_with("HTTP/1.1 204 "));
        }
    }
    let requests = server.requests();
    let connections: Vec<_> =
        requests.all().iter().map(|entry| (entry.connection, entry.number_on_connection)).collect();
    assert_eq!(connections, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
    assert_eq!(requests.highest_concurrency(), 1);
}

#[test]
fn nothing_is_stored_by_what_is_answered_or_cut_before_the_engine_sees_it() {
    let busy = Response::new(503, "busy").header("retry-after", "1");
    for (fault, expected) in [
        (Fault::Answer(busy.clone()), "HTTP/1.1 503 -"),
        (Fault::AnswerHead(busy), "HTTP/1.1 503 -"),
        (Fault::CutAtHead(Cut::Close), "closed"),
        (Fault::CutAtHead(Cut::Reset), "ConnectionReset"),
        (Fault::CutInBody(5, Cut::Close), "closed"),
        (Fault::CutInBody(5, Cut::Reset), "ConnectionReset"),
        (Fault::CutAfterBody(Cut::Close), "closed"),
        (Fault::CutAfterBody(Cut::Reset), "ConnectionReset"),
    ] {
        let server = server(fault.clone());
        assert_eq!(told(&server), expected, "{fault:?}");
        assert!(server.store().is_empty(), "{fault:?}");
        assert_eq!(told(&server), "HTTP/1.1 204 -", "{fault:?}");
    }
}

#[test]
fn what_the_engine_has_seen_is_stored_whatever_becomes_of_the_answer() {
    let lie = Fault::lie(|answer| Response::new(200, &format!("it was {}", answer.status)));
    for (fault, expected) in [
        (Fault::lose_answer(), "ConnectionReset"),
        (Fault::CutAnswer(9, Cut::Close), "HTTP/1.1 "),
        (Fault::StallAnswer(9), "HTTP/1.1 "),
        (Fault::CutAfterwards(Cut::Close), "HTTP/1.1 204 -"),
        (lie, "HTTP/1.1 200 -"),
    ] {
        let server = server(fault.clone());
        assert_eq!(told(&server), expected, "{fault:?}");
        assert_eq!(server.store().len(), 1, "{fault:?}");
    }
}

#[test]
fn an_answer_has_its_headers_and_its_body() {
    let server = server(Fault::Answer(Response::new(503, "busy").header("retry-after", "1")));
    assert_eq!(Connection::to(&server).exchange(&write()).unwrap(), BAD);
}

#[test]
fn a_connection_ends_after_an_answer_that_has_not_said_so() {
    for (cut, expected) in [(Cut::Close, Ok(String::new())), (Cut::Reset, Err(io::ErrorKind::ConnectionReset))] {
        let server = server(Fault::CutAfterwards(cut));
        let mut connection = Connection::to(&server);
        assert!(connection.exchange(&write()).unwrap().starts_with("HTTP/1.1 204 "));
        assert_eq!(connection.receive().map_err(|error| error.kind()), expected);
    }
}

#[test]
fn silence_lasts_until_the_client_goes_and_a_delay_does_not() {
    let silent = server(Fault::Silence);
    let mut connection = Connection::to(&silent);
    connection.0.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(connection.exchange(&write()).is_err());
    drop(connection);
    wait_for_ends(&silent, 1);
    assert!(silent.store().is_empty());

    let slow = server(Fault::Delay(Duration::from_millis(50)));
    let start = Instant::now();
    assert_eq!(told(&slow), "HTTP/1.1 204 -");
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[test]
fn a_server_ends_at_once_whatever_its_connections_do() {
    let silent = server(Fault::Silence);
    let mut connections: Vec<_> = (0..20).map(|_| Connection::to(&silent)).collect();
    connections[0].send(&write()).unwrap();
    let slow = server(Fault::Delay(Duration::from_secs(60)));
    let mut waiting = Connection::to(&slow);
    waiting.send(&write()).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    drop(silent);
    drop(slow);
    assert!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
    assert!(matches!(connections[0].receive().as_deref(), Ok("") | Err(_)));
}

#[test]
#[should_panic(expected = "a thread of the server has panicked")]
fn a_script_that_panics_is_no_secret() {
    let server = FaultServer::start(Dialect::V1).failing(|_| panic!("the script has failed, as this test wants it"));
    drop(server.request(&write()));
}

#[test]
fn a_script_sees_lines_and_attempts() {
    let server = FaultServer::start(Dialect::V1).failing(|arrival| match arrival.attempt() {
        0 if arrival.has("poison") => Fault::CutAfterBody(Cut::Reset),
        0..2 => Fault::answer(503, arrival.lines().next().unwrap_or_default()),
        _ => Fault::None,
    });
    let poison = write_of(Dialect::V1, "load,tag=poison mw=1 1");
    assert!(server.request(&poison).is_err());
    assert_eq!(server.request(&poison).unwrap().text(), "load,tag=poison mw=1 1");
    assert_eq!(server.request(&poison).unwrap().status, 204);
    assert_eq!(server.requests().statuses(), [None, Some(503), Some(204)]);
    server.recover();
    assert_eq!(server.request(&write()).unwrap().status, 204);
}

#[test]
fn the_log_knows_waits_and_what_was_sent_again() {
    let server = server(Fault::answer(503, ""));
    server.request(&write()).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    server.request(&write()).unwrap();
    server.request(&write_of(Dialect::V1, "load mw=2 2")).unwrap();
    let requests = server.requests();
    let waits = requests.waits();
    assert_eq!(waits.len(), 1);
    assert!(waits[0] >= Duration::from_millis(30), "{waits:?}");
    assert_eq!(requests.writes()[0].lines().collect::<Vec<_>>(), ["load mw=1 1"]);
    assert!(requests.changed_attempts().is_empty());

    let compressed = write().header("content-encoding", "gzip").body(gzip(b"load mw=1 1\n"));
    server.request(&compressed).unwrap();
    assert_eq!(server.requests().changed_attempts()[0].write, Some(3));
}

#[test]
fn writes_at_once_are_counted() {
    let server = FaultServer::start(Dialect::V1).failing(|_| Fault::Delay(Duration::from_millis(300)));
    let mut connections: Vec<_> = (0..3).map(|_| Connection::to(&server)).collect();
    for connection in &mut connections {
        connection.send(&write()).unwrap();
    }
    for connection in &mut connections {
        connection.receive().unwrap();
    }
    assert_eq!(server.requests().highest_concurrency(), 3);
}

#[test]
fn chance_depends_on_the_seed_and_the_body_alone() {
    let run = |seed| {
        let mix = Mix::new(seed, 3, [Fault::answer(500, ""), Fault::answer(503, "")]);
        let server = FaultServer::start(Dialect::V1).failing(move |arrival| mix.fault(arrival));
        for time in 0..60 {
            server.request(&write_of(Dialect::V1, &format!("load mw=1 {time}"))).unwrap();
        }
        server.requests().statuses()
    };
    let one = run(1);
    assert_eq!(one, run(1));
    assert_ne!(one, run(2));
    let count = |status| one.iter().filter(|told| **told == Some(status)).count();
    assert!(count(500) > 3 && count(503) > 3 && count(204) > 30, "{one:?}");
}
