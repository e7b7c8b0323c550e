//! versitygw, which stands in for S3 where its conditions, its versions or its concurrency matter.

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use crate::loader::Settings;
use crate::process::{Process, free_port};
use crate::programs::{Program, program};
use crate::s3::{ACCESS_KEY, REGION, S3, SECRET_KEY, registry_settings};
use crate::{Request, request};

/// A running versitygw. It has no buckets at first, and its files are gone with it.
#[derive(Debug)]
pub struct Versitygw {
    _process: Process,
    s3: S3,
}

impl Versitygw {
    /// Starts a server.
    pub fn start() -> Self {
        let port = free_port();
        let process = Process::start("versitygw", |directory| {
            let [objects, versions] = ["objects", "versions"].map(|name| directory.join(name));
            for path in [&objects, &versions] {
                fs::create_dir(path).unwrap();
            }
            let mut command = Command::new(program(Program::Versitygw));
            command
                .args(["--port", &format!("127.0.0.1:{port}"), "--health", "/health", "--region", REGION, "--quiet"])
                .args(["posix", "--versioning-dir"])
                .arg(versions)
                // What it knows of an object, its checksum among it, is in extended attributes of the object's file, so that both
                // are replaced at once. In a directory of its own (`--sidecar`) readers meet one with the other's.
                .arg(objects)
                .env_clear()
                .env("ROOT_ACCESS_KEY", ACCESS_KEY)
                .env("ROOT_SECRET_KEY", SECRET_KEY);
            command
        })
        .wait_until(|| request(port, &Request::new("GET", "/health")).is_ok_and(|response| response.status == 200));
        Self { _process: process, s3: S3::at(port) }
    }

    /// The settings with which the AWS client for S3 reaches it. Clients of other services do not; they get theirs from
    /// [`Moto::settings`](crate::Moto::settings), to which these are added.
    pub fn settings(&self) -> Settings {
        self.s3_settings()
    }

    /// As [`Self::settings`], with a registry of converters in a bucket that is asked for every object.
    pub fn registry_settings(&self, bucket: &str, cache: &Path) -> Settings {
        self.settings().and(registry_settings(bucket, cache))
    }
}

impl Deref for Versitygw {
    type Target = S3;

    fn deref(&self) -> &S3 {
        &self.s3
    }
}
