//! TLS in front of a server, and a proxy, by `tests/tls.py`.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::loader::{Settings, python};
use crate::process::{Process, free_port};
use crate::programs::{Program, program};

/// Certificates, made anew: `signed`, by the authority `ca`, `self-signed`, and a `stranger` who has signed nothing.
#[derive(Debug)]
pub struct Certificates(TempDir);

/// A server behind TLS.
#[derive(Debug)]
pub struct Tls {
    _process: Process,
    port: u16,
}

/// A proxy for HTTP, with and without TLS.
#[derive(Debug)]
pub struct Proxy {
    process: Process,
    port: u16,
}

impl Certificates {
    /// Makes them.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let script = script().display().to_string();
        let target = directory.path().display().to_string();
        python([script.as_str(), "certificates", &target], &Settings::default()).succeeded();
        Self(directory)
    }

    /// The file of a certificate.
    pub fn file(&self, name: &str) -> String {
        self.0.path().join(format!("{name}.pem")).display().to_string()
    }

    /// A file with these and with text between them, as bundles are.
    pub fn bundle(&self, names: &[&str]) -> String {
        let read = |name: &&str| fs::read_to_string(self.file(name)).unwrap();
        let text: Vec<String> = names.iter().map(|name| format!("# {name}\n{}", read(name))).collect();
        let path = self.0.path().join(format!("bundle-{}.pem", names.join("-")));
        fs::write(&path, text.join("\n")).unwrap();
        path.display().to_string()
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

impl Tls {
    /// Puts TLS with this certificate in front of what listens on a port.
    pub fn in_front_of(server: u16, certificates: &Certificates, name: &str) -> Self {
        let port = free_port();
        let process = Process::start("tls", |_| {
            let mut command = started("serve", port);
            command.arg(certificates.file(name)).arg(certificates.file(name).replace(".pem", ".key"));
            command.arg(server.to_string());
            command
        });
        Self { _process: process.wait_until(|| listens(port)), port }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Proxy {
    /// Starts a proxy.
    pub fn start() -> Self {
        let port = free_port();
        let process = Process::start("proxy", |_| started("proxy", port)).wait_until(|| listens(port));
        Self { process, port }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it was asked for so far: methods, `CONNECT` for TLS, each with host and port.
    pub fn asked(&self) -> Vec<String> {
        self.process.log().lines().map(str::to_owned).collect()
    }
}

fn started(what: &str, port: u16) -> Command {
    let mut command = Command::new(program(Program::Python));
    command.arg(script()).arg(what).arg(port.to_string());
    command
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tls.py")
}

fn listens(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}
