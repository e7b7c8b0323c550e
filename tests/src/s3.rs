//! S3, as far as tests need it, for whichever server stands in for it.

use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;
use ring::{digest, hmac};

use crate::http::form_decode;
use crate::loader::Settings;
use crate::{Request, Response, request};

/// The region that everything is in.
pub(crate) const REGION: &str = "us-east-1";

/// The access key of the one who may do everything, and its secret.
pub(crate) const ACCESS_KEY: &str = "AKIAEVERYTHINGISFINE";
pub(crate) const SECRET_KEY: &str = "everything-is-fine";

/// A server that speaks S3. Keys of objects must be made of characters that need no encoding in a URL, or be encoded.
#[derive(Clone, Copy, Debug)]
pub struct S3 {
    port: u16,
}

impl S3 {
    pub(crate) fn at(port: u16) -> Self {
        Self { port }
    }

    /// Such as `http://127.0.0.1:5000`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The settings with which the AWS client for S3 alone reaches it.
    pub fn s3_settings(&self) -> Settings {
        settings_of("AWS_ENDPOINT_URL_S3", &self.url(), ACCESS_KEY, SECRET_KEY)
    }

    /// Makes a bucket.
    pub fn create_bucket(&self, bucket: &str) {
        self.send(Request::new("PUT", &format!("/{bucket}"))).succeeded();
    }

    /// Makes a bucket keep every version of its objects.
    pub fn keep_versions(&self, bucket: &str) {
        let body = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>";
        self.send(Request::new("PUT", &format!("/{bucket}?versioning")).body(body)).succeeded();
    }

    /// Stores an object.
    pub fn put_object(&self, bucket: &str, key: &str, body: Vec<u8>) {
        self.put(bucket, key, body);
    }

    /// Stores an object in a bucket that keeps versions, and returns which version it is.
    pub fn put_version(&self, bucket: &str, key: &str, body: Vec<u8>) -> String {
        self.put(bucket, key, body).headers["x-amz-version-id"].clone()
    }

    /// Stores an object in a bucket that may keep versions, and returns which version it is, if it is one.
    pub fn put_object_of(&self, bucket: &str, key: &str, body: Vec<u8>) -> Option<String> {
        self.put(bucket, key, body).headers.get("x-amz-version-id").cloned()
    }

    fn put(&self, bucket: &str, key: &str, body: Vec<u8>) -> Response {
        self.send(Request::new("PUT", &format!("/{bucket}/{key}")).body(body)).succeeded()
    }

    /// Reads an object.
    pub fn get_object(&self, bucket: &str, key: &str) -> Vec<u8> {
        self.send(Request::new("GET", &format!("/{bucket}/{key}"))).succeeded().body
    }

    /// Deletes an object; in a bucket that keeps versions, it hides the others.
    pub fn delete_object(&self, bucket: &str, key: &str) {
        self.send(Request::new("DELETE", &format!("/{bucket}/{key}"))).succeeded();
    }

    /// The keys of a bucket's first thousand objects that start with `prefix`, in order.
    pub fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let target = format!("/{bucket}?list-type=2&prefix={prefix}");
        let listing = self.send(Request::new("GET", &target)).succeeded().text();
        listing.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned())).collect()
    }

    /// Sends a request, signed, and returns whatever the server answers.
    pub fn send(&self, unsigned: Request) -> Response {
        let line = format!("{} {}", unsigned.method, unsigned.target);
        request(self.port, &sign(unsigned, self.port)).unwrap_or_else(|error| panic!("{line}: {error}"))
    }
}

/// The settings with which an AWS client reaches `url`, where `endpoint` is the variable for it.
pub(crate) fn settings_of(endpoint: &str, url: &str, access_key: &str, secret_key: &str) -> Settings {
    Settings::from([
        (endpoint, url.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", access_key.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret_key.to_owned()),
    ])
}

/// The settings for a registry of converters in a bucket that is asked for every object.
pub(crate) fn registry_settings(bucket: &str, cache: &Path) -> Settings {
    Settings::default()
        .with("CONVERTER_BUCKET", bucket)
        .with("CONVERTER_CACHE_DIRECTORY", cache.to_str().unwrap())
        .with("CONVERTER_REFRESH_SECONDS", "0")
        .with("ENABLE_METRICS", "false")
}

/// Signs a request by version 4 of AWS's signatures.
fn sign(mut unsigned: Request, port: u16) -> Request {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = Timestamp::from_second(i64::try_from(since_epoch.as_secs()).unwrap()).unwrap();
    let (time, date) = (now.strftime("%Y%m%dT%H%M%SZ").to_string(), now.strftime("%Y%m%d").to_string());
    let (path, query) = canonical(&unsigned.target);
    let content = sha256(&unsigned.body);
    let headers = format!("host:127.0.0.1:{port}\nx-amz-content-sha256:{content}\nx-amz-date:{time}\n");
    let signed_headers = "host;x-amz-content-sha256;x-amz-date";
    let canonical = format!("{}\n{path}\n{query}\n{headers}\n{signed_headers}\n{content}", unsigned.method);
    let scope = format!("{date}/{REGION}/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let secret = format!("AWS4{SECRET_KEY}").into_bytes();
    let key = [&date, REGION, "s3", "aws4_request"].into_iter().fold(secret, |key, part| hmac_sha256(&key, part));
    let signature = hexadecimal(&hmac_sha256(&key, &text));
    unsigned.target = if query.is_empty() { path } else { format!("{path}?{query}") };
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope}, SignedHeaders={signed_headers}, Signature={signature}"
    );
    unsigned
        .header("x-amz-content-sha256", &content)
        .header("x-amz-date", &time)
        .header("authorization", &authorization)
}

/// The path and the query of a target, encoded and in order as signatures want them.
fn canonical(target: &str) -> (String, String) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.split('/').map(|part| encode(&form_decode(part).unwrap())).collect::<Vec<_>>().join("/");
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            format!("{}={}", encode(&form_decode(name).unwrap()), encode(&form_decode(value).unwrap()))
        })
        .collect();
    pairs.sort();
    (path, pairs.join("&"))
}

/// Encodes all but what RFC 3986 calls unreserved.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hexadecimal(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
