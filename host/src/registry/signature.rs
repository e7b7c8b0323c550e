//! Signatures: Ed25519 over dataset, version and digest of a component, so that one can stand for no other.

use std::fmt::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use super::document::{Manifest, Signature};
use super::error::RegistryError;

/// The lines around a key in a file: PKCS #8, as `openssl genpkey -algorithm ed25519` writes it too.
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// How many signatures of a manifest are looked at.
const MAX_SIGNATURES: usize = 16;

/// A key that signs converters.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Makes a key. Returns it, and the content of a file to keep it in.
    ///
    /// # Errors
    ///
    /// When the system has no random numbers.
    pub fn generate() -> Result<(Self, String), RegistryError> {
        let unusable = |reason| RegistryError::SigningKey { reason };
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| unusable("the system has no random numbers"))?;
        let mut pem = format!("{PEM_BEGIN}\n");
        let encoded = BASE64_STANDARD.encode(document.as_ref());
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            // Base64 is ASCII.
            let (line, next) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = next;
        }
        pem.push_str(PEM_END);
        pem.push('\n');
        Ok((Self::read(&pem)?, pem))
    }

    /// Reads a key from the content of a file.
    ///
    /// # Errors
    ///
    /// When it is not an Ed25519 key in PKCS #8, as PEM.
    pub fn read(pem: &str) -> Result<Self, RegistryError> {
        let unusable = |reason| RegistryError::SigningKey { reason };
        let (_, rest) = pem.split_once(PEM_BEGIN).ok_or(unusable("it has no `BEGIN PRIVATE KEY` line"))?;
        let (encoded, _) = rest.split_once(PEM_END).ok_or(unusable("it has no `END PRIVATE KEY` line"))?;
        let encoded: String = encoded.split_ascii_whitespace().collect();
        let document = BASE64_STANDARD.decode(encoded).map_err(|_| unusable("it is not base64"))?;
        // OpenSSL omits the public key, which is derived then.
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&document);
        key.map(Self).map_err(|_| unusable("it is not an Ed25519 key"))
    }

    /// The public key in base64, as `CONVERTER_PUBLIC_KEYS` takes it.
    pub fn public_key(&self) -> String {
        BASE64_STANDARD.encode(self.0.public_key())
    }

    /// The id of the public key.
    pub fn id(&self) -> String {
        key_id(self.0.public_key().as_ref())
    }

    /// Signs a version.
    pub(super) fn sign(&self, manifest: &Manifest) -> Signature {
        self.sign_text(&statement(manifest))
    }

    /// Signs a text that begins with what it is for.
    pub(super) fn sign_text(&self, text: &str) -> Signature {
        let signature = self.0.sign(text.as_bytes());
        Signature { key: self.id(), ed25519: BASE64_STANDARD.encode(signature) }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.id())
    }
}

/// The id of a public key: the first 16 hexadecimal digits of its SHA-256.
pub fn key_id(public_key: &[u8]) -> String {
    Sha256::digest(public_key).iter().take(8).fold(String::new(), |mut id, byte| {
        // Writing to a string does not fail.
        let _ = write!(id, "{byte:02x}");
        id
    })
}

/// The id of the key among `public_keys` that has signed the version.
pub(super) fn signer(manifest: &Manifest, public_keys: &[[u8; 32]]) -> Option<String> {
    text_signer(&statement(manifest), &manifest.signatures, public_keys)
}

/// The id of the key among `public_keys` of which one of the signatures of the text is.
pub(super) fn text_signer(text: &str, signatures: &[Signature], public_keys: &[[u8; 32]]) -> Option<String> {
    signatures.iter().take(MAX_SIGNATURES).find_map(|signature| {
        let bytes = BASE64_STANDARD.decode(&signature.ed25519).ok()?;
        let named = public_keys.iter().filter(|key| key_id(&key[..]) == signature.key);
        named
            .map(|key| UnparsedPublicKey::new(&ED25519, key))
            .find(|key| key.verify(text.as_bytes(), &bytes).is_ok())
            .map(|_| signature.key.clone())
    })
}

/// What is signed. None of the parts has a line break: they are checked names and a digest.
fn statement(manifest: &Manifest) -> String {
    let Manifest { dataset, version, sha256, .. } = manifest;
    format!("influxdb-loader converter 1\ndataset {dataset}\nversion {version}\nsha256 {sha256}\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            dataset: "load".into(),
            version: "1.0.0".parse().unwrap(),
            name: "load".into(),
            description: "Hourly load".into(),
            contract: "0.1.0".into(),
            sha256: "ab".repeat(32),
            size: 7,
            signatures: Vec::new(),
        }
    }

    fn bytes(key: &SigningKey) -> [u8; 32] {
        key.0.public_key().as_ref().try_into().unwrap()
    }

    #[test]
    fn a_signature_holds_for_one_dataset_version_and_digest() {
        let (key, pem) = SigningKey::generate().unwrap();
        let (other, _) = SigningKey::generate().unwrap();
        let mut signed = manifest();
        signed.signatures = vec![other.sign(&signed), SigningKey::read(&pem).unwrap().sign(&signed)];
        assert_eq!(signer(&signed, &[bytes(&key)]), Some(key.id()));
        assert_eq!(signer(&signed, &[]), None);
        assert_eq!(signer(&manifest(), &[bytes(&key)]), None, "no signature");
        for forged in [
            Manifest { dataset: "other".into(), ..signed.clone() },
            Manifest { version: "1.0.1".parse().unwrap(), ..signed.clone() },
            Manifest { sha256: "cd".repeat(32), ..signed },
        ] {
            assert_eq!(signer(&forged, &[bytes(&key)]), None);
        }
        let mut relabelled = manifest();
        relabelled.signatures = vec![Signature { key: key.id(), ..other.sign(&manifest()) }];
        assert_eq!(signer(&relabelled, &[bytes(&key)]), None, "another key's signature under this one's name");
    }

    #[test]
    fn keys_of_openssl_are_read() {
        // RFC 8410, section 10.3: an example without the public key.
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        assert_eq!(SigningKey::read(pem).unwrap().public_key(), "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        for bad in ["", "secret", "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----"] {
            let error = SigningKey::read(bad).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
