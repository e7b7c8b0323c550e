//! `converter keygen`.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;

use crate::cli::{CliError, print};
use crate::registry::SigningKey;

/// Makes a signing key in a new file that only its owner may read, and prints the public key. Returns true.
pub(super) fn keygen(path: &Path, as_json: bool) -> Result<bool, CliError> {
    let (key, pem) = SigningKey::generate()?;
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    created
        .and_then(|mut file| file.write_all(pem.as_bytes()))
        .map_err(|cause| CliError::Write { path: path.display().to_string(), cause })?;
    if as_json {
        let (file, id, public_key) = (path.display().to_string(), key.id(), key.public_key());
        print(&format!("{}\n", json!({ "secret_key": file, "key": id, "public_key": public_key })))?;
        return Ok(true);
    }
    print(&format!(
        "secret key  {}\nkey id      {}\npublic key  {}\n\nTo require signatures by it, set CONVERTER_PUBLIC_KEYS={}\n",
        path.display(),
        key.id(),
        key.public_key(),
        key.public_key()
    ))?;
    Ok(true)
}
