//! Who writes: nobody, a user with a password, or the holder of a token, which may be kept in Secrets Manager.
//!
//! A token from Secrets Manager is read once and kept. When the server refuses it, it is read again: a rotated secret
//! costs one refused request. Of many requests that are refused at the same time, one reads the secret for all.

use std::error::Error;
use std::time::Instant;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::HeaderValue;
use tokio::sync::{Mutex, OnceCell};

use crate::aws;
use crate::config::{Login, Secret, Token};
use crate::sink::error::{SinkError, TokenError, Tries};

/// The most keys of a secret that a message names.
const KEYS_SHOWN: usize = 8;

/// A value of the header `Authorization`.
#[derive(Clone, Debug)]
pub(in crate::sink::influxdb) struct Authorization {
    /// Marked as sensitive, so that it prints as nothing.
    header: HeaderValue,
    /// How often the secret was read before.
    generation: u64,
}

impl Authorization {
    pub(in crate::sink::influxdb) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

/// How a token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sink::influxdb) enum Scheme {
    /// To 2.x.
    Token,
    /// To 1.x, to which a secret may also hold user and password.
    TokenOrLogin,
    /// To 3.
    Bearer,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Token | Self::TokenOrLogin => "Token",
            Self::Bearer => "Bearer",
        }
    }
}

/// Who writes.
#[derive(Debug)]
pub(in crate::sink::influxdb) struct Credentials {
    origin: Origin,
    scheme: Scheme,
    current: Mutex<Option<Authorization>>,
}

#[derive(Debug)]
enum Origin {
    Nobody,
    Login(Login),
    Token(Secret),
    SecretsManager { name: String, client: OnceCell<Client> },
}

impl Credentials {
    /// Anyone may write.
    pub(in crate::sink::influxdb) fn nobody() -> Self {
        Self::new(Origin::Nobody, Scheme::Token)
    }

    /// A user with a password.
    pub(in crate::sink::influxdb) fn login(login: Login) -> Self {
        Self::new(Origin::Login(login), Scheme::Token)
    }

    /// The holder of a token.
    pub(in crate::sink::influxdb) fn token(token: Token, scheme: Scheme) -> Self {
        let origin = match token {
            Token::Value(token) => Origin::Token(token),
            Token::SecretName(name) => Origin::SecretsManager { name, client: OnceCell::new() },
        };
        Self::new(origin, scheme)
    }

    /// The holder of a token in a Secrets Manager of the test's own.
    #[cfg(test)]
    pub(in crate::sink::influxdb) fn secret(name: &str, client: Client) -> Self {
        let client = OnceCell::new_with(Some(client));
        Self::new(Origin::SecretsManager { name: name.to_owned(), client }, Scheme::Token)
    }

    fn new(origin: Origin, scheme: Scheme) -> Self {
        Self { origin, scheme, current: Mutex::new(None) }
    }

    /// What to send; `None` where nothing is.
    pub(in crate::sink::influxdb) async fn current(
        &self,
        deadline: Option<Instant>,
    ) -> Result<Option<Authorization>, SinkError> {
        // Whoever has the lock may be reading the secret, with more time.
        let mut current = before(deadline, || "the token".to_owned(), self.current.lock()).await?;
        if current.is_none() {
            *current = self.read(0, deadline).await?;
        }
        Ok(current.clone())
    }

    /// What to send after `refused` was refused; `None` where that will not change.
    pub(in crate::sink::influxdb) async fn refresh(
        &self,
        refused: Option<&Authorization>,
        deadline: Option<Instant>,
    ) -> Result<Option<Authorization>, SinkError> {
        let (Origin::SecretsManager { .. }, Some(refused)) = (&self.origin, refused) else { return Ok(None) };
        // Whoever has the lock may be reading the secret, with more time.
        let mut current = before(deadline, || "the token".to_owned(), self.current.lock()).await?;
        // Another request may have read the secret while this one was under way.
        if current.as_ref().is_none_or(|current| current.generation <= refused.generation) {
            *current = self.read(refused.generation + 1, deadline).await?;
        }
        Ok(current.clone().filter(|current| current.header != refused.header))
    }

    async fn read(&self, generation: u64, deadline: Option<Instant>) -> Result<Option<Authorization>, SinkError> {
        let header = match &self.origin {
            Origin::Nobody => return Ok(None),
            Origin::Login(login) => basic(login, || "`INFLUXDB_PASSWORD`".to_owned())?,
            Origin::Token(token) => header(self.scheme.name(), token.expose(), || "`INFLUXDB_TOKEN`".to_owned())?,
            Origin::SecretsManager { name, client } => {
                let origin = || format!("the secret `{name}`");
                // Boxed: a future as deep as the configuration of AWS is too much within that of every request.
                let secret =
                    Box::pin(async { read_secret(client.get_or_init(aws::secrets_manager).await, name).await });
                let secret = before(deadline, origin, secret).await??;
                match login_in(&secret).filter(|_| self.scheme == Scheme::TokenOrLogin) {
                    Some(login) => basic(&login, origin)?,
                    None => header(self.scheme.name(), token_in(name, &secret)?.expose(), origin)?,
                }
            }
        };
        Ok(Some(Authorization { header, generation }))
    }
}

/// What `work` returns before the deadline.
async fn before<T>(
    deadline: Option<Instant>,
    what: impl FnOnce() -> String,
    work: impl Future<Output = T>,
) -> Result<T, SinkError> {
    let Some(deadline) = deadline else { return Ok(work.await) };
    let started = Instant::now();
    tokio::time::timeout_at(deadline.into(), work).await.map_err(|_| {
        let tries = Tries { attempts: 1, elapsed: started.elapsed() };
        SinkError::DeadlineReached { destination: what(), tries, source: None }
    })
}

fn basic(login: &Login, origin: impl FnOnce() -> String) -> Result<HeaderValue, TokenError> {
    let pair = BASE64_STANDARD.encode(format!("{}:{}", login.username, login.password.expose()));
    header("Basic", &pair, origin)
}

/// A header that is not printed. A token is one word: anything else was pasted wrongly.
fn header(scheme: &str, word: &str, origin: impl FnOnce() -> String) -> Result<HeaderValue, TokenError> {
    let one_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    let header = one_word.then(|| HeaderValue::from_str(&format!("{scheme} {word}")).ok()).flatten();
    let mut header = header.ok_or_else(|| TokenError::Unusable { origin: origin() })?;
    header.set_sensitive(true);
    Ok(header)
}

/// The text of a secret.
async fn read_secret(client: &Client, name: &str) -> Result<Secret, TokenError> {
    let answer = client
        .get_secret_value()
        .secret_id(name)
        .send()
        .await
        .map_err(|error| TokenError::NotRead { name: name.to_owned(), source: reason(error) })?;
    answer.secret_string.map(Secret::new).ok_or_else(|| TokenError::NotText { name: name.to_owned() })
}

/// What Secrets Manager answered, in one line where the SDK has three; else what kept it from answering.
fn reason(error: SdkError<GetSecretValueError>) -> Box<dyn Error + Send + Sync> {
    match error.code() {
        Some(code) => format!("{code}, {}", error.message().unwrap_or("without a message")).into(),
        None => Box::new(error),
    }
}

/// The user and the password in the text of a secret without a token.
fn login_in(secret: &Secret) -> Option<Login> {
    let json: serde_json::Map<String, serde_json::Value> = serde_json::from_str(secret.expose()).ok()?;
    let text = |name: &str| json.get(name)?.as_str().filter(|text| !text.is_empty());
    let (None, username, password) = (text("token"), text("username")?, text("password")?) else { return None };
    Some(Login { username: username.to_owned(), password: Secret::new(password) })
}

/// The token in the text of a secret: the text itself, or the value of `token` where the text is JSON.
fn token_in(name: &str, secret: &Secret) -> Result<Secret, TokenError> {
    let text = secret.expose().trim();
    if !text.starts_with('{') {
        return Ok(Secret::new(text));
    }
    let json: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|source| TokenError::NotJson { name: name.to_owned(), source })?;
    match json.get("token").and_then(serde_json::Value::as_str) {
        Some(token) if !token.trim().is_empty() => Ok(Secret::new(token.trim())),
        Some(_) | None => {
            let keys: Vec<&str> = json.keys().map(String::as_str).take(KEYS_SHOWN).collect();
            Err(TokenError::NoToken { name: name.to_owned(), keys: keys.join(", ") })
        }
    }
}
