//! Asks WASI for what belongs to the host.

use std::fmt::Debug;

use crate::bindings::wasi::cli::{environment, exit, stderr, stdin, stdout};
use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use crate::bindings::wasi::filesystem::preopens;
use crate::bindings::wasi::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};
use crate::bindings::wasi::io::poll;
use crate::bindings::wasi::random::{insecure, insecure_seed, random};
use crate::bindings::wasi::sockets::instance_network::instance_network;
use crate::bindings::wasi::sockets::ip_name_lookup::resolve_addresses;
use crate::bindings::wasi::sockets::network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use crate::bindings::wasi::sockets::tcp_create_socket::create_tcp_socket;
use crate::bindings::wasi::sockets::udp_create_socket::create_udp_socket;
use crate::{Batch, ColumnType, Converted, HONEST, Level, Plan, Problem, Strings, log, outcome, plan};

type Prepared = Result<Plan, Vec<Problem>>;

const HOUR: u64 = 3_600_000_000_000;

fn tell(message: impl Into<String>) -> Prepared {
    Err(vec![outcome(message)])
}

/// What a call gave; what it gave access to has no form of its own.
fn result<T, E: Debug>(result: &Result<T, E>) -> String {
    match result {
        Ok(_) => "granted".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

pub(crate) fn read_a_file() -> Prepared {
    let directories = preopens::get_directories();
    let files: Vec<String> = directories
        .iter()
        .map(|(directory, name)| {
            let file = directory.open_at(PathFlags::empty(), "etc/passwd", OpenFlags::empty(), DescriptorFlags::READ);
            format!("{name}: {}", result(&file))
        })
        .collect();
    tell(format!("open directories: {files:?}"))
}

/// Handles are numbers, and numbers can be guessed.
#[allow(unsafe_code, reason = "to forge a handle")]
pub(crate) fn forge_a_file_descriptor() -> Prepared {
    // SAFETY: of no concern to Rust; the number is given to the host, which has to see through it.
    let descriptor = unsafe { Descriptor::from_handle(3) };
    tell(result(&descriptor.stat()))
}

pub(crate) fn open_a_socket() -> Prepared {
    let udp = create_udp_socket(IpAddressFamily::Ipv4);
    let tcp = create_tcp_socket(IpAddressFamily::Ipv4);
    let address = IpSocketAddress::Ipv4(Ipv4SocketAddress { port: 80, address: (127, 0, 0, 1) });
    let connected =
        tcp.as_ref().map_or("none".to_owned(), |tcp| result(&tcp.start_connect(&instance_network(), address)));
    tell(format!("UDP socket: {}, TCP socket: {}, connection: {connected}", result(&udp), result(&tcp)))
}

pub(crate) fn resolve_a_name() -> Prepared {
    match resolve_addresses(&instance_network(), "localhost") {
        Ok(addresses) => tell(format!("{:?}", addresses.resolve_next_address())),
        Err(error) => tell(format!("{error:?}")),
    }
}

pub(crate) fn read_the_environment() -> Prepared {
    let (variables, arguments) = (environment::get_environment(), environment::get_arguments());
    tell(format!("variables: {variables:?}, arguments: {arguments:?}, directory: {:?}", environment::initial_cwd()))
}

pub(crate) fn read_standard_input() -> Prepared {
    tell(format!("{:?}", stdin::get_stdin().blocking_read(1024)))
}

pub(crate) fn look_at_the_clock() -> Prepared {
    let now = wall_clock::now();
    tell(format!("{} s {} ns, monotonic {} ns", now.seconds, now.nanoseconds, monotonic_clock::now()))
}

pub(crate) fn draw_random_numbers() -> Prepared {
    let numbers = [random::get_random_u64(), random::get_random_u64(), insecure::get_insecure_random_u64()];
    tell(format!("{numbers:x?}, seed {:x?}", insecure_seed::insecure_seed()))
}

pub(crate) fn sleep_for_an_hour() -> Prepared {
    monotonic_clock::subscribe_duration(HOUR).block();
    let end = monotonic_clock::subscribe_instant(u64::MAX);
    let input = stdin::get_stdin();
    let read = input.subscribe();
    tell(format!("slept, and then waited for {:?}", poll::poll(&[&end, &read])))
}

pub(crate) fn exit_the_process() -> Prepared {
    exit::exit(Err(()));
    tell("still there")
}

pub(crate) fn hoard_handles() -> Prepared {
    for _ in 0..10_000_000 {
        std::mem::forget(monotonic_clock::subscribe_duration(HOUR));
    }
    tell("ten million handles")
}

/// Ten megabytes in lines, and one that never ends.
pub(crate) fn flood_of_output(values: Strings) -> Result<Strings, Problem> {
    let output = stdout::get_stdout();
    let lines = b"evil\n".repeat(800);
    for _ in 0..1250 {
        output.blocking_write_and_flush(&lines).unwrap();
        output.blocking_write_and_flush(&[b'x'; 4096]).unwrap();
    }
    Ok(values)
}

/// A line by each way into the log.
fn talk(stage: &str) {
    for (level, name) in
        [(Level::Debug, "debug"), (Level::Info, "info"), (Level::Warn, "warn"), (Level::Error, "error")]
    {
        log(level, &format!("talks in {stage} at {name}"));
    }
    stdout::get_stdout().blocking_write_and_flush(format!("talks in {stage} by output\n").as_bytes()).unwrap();
    stderr::get_stderr().blocking_write_and_flush(format!("talks in {stage} by error\n").as_bytes()).unwrap();
}

pub(crate) fn talk_in_prepare() -> Prepared {
    talk("prepare");
    Ok(plan(ColumnType::Float))
}

pub(crate) fn talk_in_translate(values: Strings) -> Result<Strings, Problem> {
    talk("translate");
    Ok(values)
}

pub(crate) fn talk_in_convert(batch: Batch) -> Result<Converted, Problem> {
    talk("convert");
    (HONEST.convert)(batch)
}
