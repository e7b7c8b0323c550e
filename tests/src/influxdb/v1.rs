//! InfluxDB 1.x.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::process::Command;

use super::{Access, InfluxServer, answers};
use crate::process::{Process, free_port};
use crate::programs::{Program, program};

/// The name and the password of the administrator if the server asks for one.
const ADMINISTRATOR: (&str, &str) = ("admin", "correct-horse");

/// A running InfluxDB 1.x.
#[derive(Debug)]
pub struct InfluxDb(InfluxServer);

impl InfluxDb {
    /// Starts a server that lets everyone in, with a database.
    pub fn start(database: &str) -> Self {
        let server = Self::launch(None);
        server.query("", &format!("CREATE DATABASE {database}"));
        server
    }

    /// Starts a server that lets only its administrator in, with a database.
    pub fn start_with_authentication(database: &str) -> Self {
        let server = Self::launch(Some(ADMINISTRATOR));
        let (name, password) = ADMINISTRATOR;
        server.query("", &format!("CREATE USER {name} WITH PASSWORD '{password}' WITH ALL PRIVILEGES"));
        server.query("", &format!("CREATE DATABASE {database}"));
        server
    }

    fn launch(administrator: Option<(&'static str, &'static str)>) -> Self {
        let (port, rpc_port) = (free_port(), free_port());
        let process = Process::start("influxdb", |directory| {
            let configuration = directory.join("influxdb.conf");
            let root = directory.display();
            let authentication = administrator.is_some();
            let text = format!(
                r#"reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
dir = "{root}/meta"
[data]
dir = "{root}/data"
wal-dir = "{root}/wal"
[http]
bind-address = "127.0.0.1:{port}"
auth-enabled = {authentication}
[monitor]
store-enabled = false
"#
            );
            fs::write(&configuration, text).unwrap();
            let mut command = Command::new(program(Program::Influxd1));
            command.arg("run").arg("-config").arg(configuration).env("HOME", directory);
            command
        })
        .wait_until(|| answers(port));
        Self(InfluxServer { process, port, access: Access::V1(administrator) })
    }
}

impl Deref for InfluxDb {
    type Target = InfluxServer;

    fn deref(&self) -> &InfluxServer {
        &self.0
    }
}

impl DerefMut for InfluxDb {
    fn deref_mut(&mut self) -> &mut InfluxServer {
        &mut self.0
    }
}
