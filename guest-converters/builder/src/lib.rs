//! Builds a converter's package for `wasm32-unknown-unknown` and turns the core module into a component, in process.
//!
//! Build scripts, tests and the command line use it alike:
//!
//! ```no_run
//! let components = converter_builder::Build::new("my-converter", "target/converters").run()?;
//! println!("{}: {} bytes", components[0].path.display(), components[0].bytes.len());
//! # Ok::<(), converter_builder::BuildError>(())
//! ```
//!
//! Cargo runs in a target directory of its own, never in that of a cargo which may be waiting for this build, and with
//! an environment from which everything that such a cargo sets has been removed. Builds that run at the same time take turns,
//! and workspaces that share a target directory share only what comes from registries.
//!
//! The same sources, toolchain and versions of dependencies give the same bytes wherever they are built: the machine's
//! directories are kept out, and compiler flags from the environment or cargo's configuration are not used.
//!
//! Nothing is ever installed; see [`Toolchain::detect`] for what is looked for.

mod build;
mod environment;
mod interfaces;
mod listen;
mod owner;
mod toolchain;

pub use build::{Build, BuildError, Component};
pub use environment::{TargetDirectoryError, target_directory};
pub use interfaces::{Interfaces, InterfacesError};
pub use listen::listen;
pub use toolchain::{TARGET, Toolchain, ToolchainError};
