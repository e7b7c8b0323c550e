//! A token that may write to one bucket of InfluxDB 2.x and nothing else, made by a user with a password.
//!
//! Timestream for InfluxDB keeps such a user in a secret of its own. He may do everything in his organization, which is too much
//! for who only writes. He signs in, finds the bucket, makes the token, and signs out.

use std::path::Path;

use reqwest::header::{self, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value, json};

use super::http;
use crate::config::{Login, Secret, WriteSettings};
use crate::sink::error::{SinkError, clean};

/// The server's description of the token.
const DESCRIPTION: &str = "influxdb-loader: writes";

/// The most that is read of an answer, in bytes.
const ANSWER_BYTES: usize = 1024 * 1024;

/// For which bucket a token is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who makes it.
    pub login: Login,
    /// The organization.
    pub organization: String,
    /// The bucket.
    pub bucket: String,
}

/// Why no token is made.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The client cannot be set up.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A request got no answer.
    #[error("`{url}` gives no answer")]
    Unanswered {
        /// Where the request went.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The user is refused.
    #[error(
        "`{url}` refuses user `{user}`\nhint: the secret that Timestream makes is not changed with the password of its user"
    )]
    SignIn {
        /// Where the request went.
        url: String,
        /// Who.
        user: String,
    },
    /// The server refuses a request otherwise.
    #[error("`{url}` answered {status}, {message}")]
    Refused {
        /// Where the request went.
        url: String,
        /// The status.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// There is no such organization, or no such bucket.
    #[error("there is no {what} `{name}`, or user `{user}` may not see it")]
    NotFound {
        /// What is looked for.
        what: &'static str,
        /// By which name.
        name: String,
        /// Who looks.
        user: String,
    },
}

impl Grant {
    /// Makes the token.
    ///
    /// # Errors
    ///
    /// When the server is not reached, or does not let the user in or make it.
    pub async fn make(&self, url: &str, ca_file: Option<&Path>, write: &WriteSettings) -> Result<Secret, GrantError> {
        let client = http::client(write, ca_file, 1)?;
        let session = Session::start(client, http::parse(url)?, &self.login, write).await?;
        let token = self.token(&session).await;
        session.end().await;
        token
    }

    async fn token(&self, session: &Session) -> Result<Secret, GrantError> {
        let organization = self.find(session, "organization", "orgs", &[("org", self.organization.as_str())]).await?;
        let named = [("orgID", organization.as_str()), ("name", self.bucket.as_str())];
        let bucket = self.find(session, "bucket", "buckets", &named).await?;
        let asked = json!({
            "orgID": organization,
            "description": DESCRIPTION,
            "permissions": [{
                "action": "write",
                "resource": { "type": "buckets", "id": bucket, "orgID": organization },
            }],
        });
        let url = session.url("authorizations", &[]);
        let request = session.request(Method::POST, &url).header(header::CONTENT_TYPE, "application/json");
        let answer = answer(&url, request.body(asked.to_string())).await?;
        let token = answer["token"].as_str().filter(|token| !token.is_empty());
        token.map(Secret::new).ok_or_else(|| GrantError::Refused {
            url: http::shown(&url),
            status: StatusCode::CREATED.as_u16(),
            message: "without a token".to_owned(),
        })
    }

    /// The identifier of the one thing of this name.
    async fn find(
        &self,
        session: &Session,
        what: &'static str,
        members: &str,
        query: &[(&str, &str)],
    ) -> Result<String, GrantError> {
        let name = query.last().map(|(_, name)| (*name).to_owned()).unwrap_or_default();
        let missing = || GrantError::NotFound { what, name: name.clone(), user: self.login.username.clone() };
        let url = session.url(members, query);
        let found = match answer(&url, session.request(Method::GET, &url)).await {
            Err(GrantError::Refused { status: 404, .. }) => return Err(missing()),
            found => found?,
        };
        let mut all = found[members].as_array().into_iter().flatten();
        let one = all.find(|one| one["name"] == name).and_then(|one| one["id"].as_str());
        one.map(str::to_owned).ok_or_else(missing)
    }
}

/// A user who is signed in.
struct Session {
    client: Client,
    base: Url,
    cookie: HeaderValue,
    write: WriteSettings,
}

impl Session {
    async fn start(client: Client, base: Url, login: &Login, write: &WriteSettings) -> Result<Self, GrantError> {
        let url = http::join(&base, &["api", "v2", "signin"]);
        let request = client.post(url.clone()).timeout(write.request_timeout);
        let request = request.basic_auth(&login.username, Some(login.password.expose()));
        let response = sent(&url, request).await?;
        let cookie = response.headers().get(header::SET_COOKIE).and_then(session_cookie);
        match (response.status(), cookie) {
            (StatusCode::UNAUTHORIZED, _) => {
                Err(GrantError::SignIn { url: http::shown(&url), user: login.username.clone() })
            }
            (status, Some(cookie)) if status.is_success() => Ok(Self { client, base, cookie, write: write.clone() }),
            _ => Err(refused(&url, response).await),
        }
    }

    fn url(&self, members: &str, query: &[(&str, &str)]) -> Url {
        let mut url = http::join(&self.base, &["api", "v2", members]);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let request = self.client.request(method, url.clone()).timeout(self.write.request_timeout);
        request.header(header::COOKIE, self.cookie.clone())
    }

    /// A session that is not ended ends by itself after an hour.
    async fn end(self) {
        let url = self.url("signout", &[]);
        if let Err(error) = sent(&url, self.request(Method::POST, &url)).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the session stays until it ends by itself");
        }
    }
}

/// What is sent back: the name of a cookie and its value, marked as a secret.
fn session_cookie(header: &HeaderValue) -> Option<HeaderValue> {
    let pair = header.to_str().ok()?.split(';').next()?;
    let mut cookie = HeaderValue::from_str(pair).ok()?;
    cookie.set_sensitive(true);
    Some(cookie)
}

async fn sent(url: &Url, request: RequestBuilder) -> Result<Response, GrantError> {
    let answered = request.send().await;
    answered.map_err(|error| match http::is_untrusted(&error) {
        true => SinkError::Untrusted { url: http::shown(url), source: error.without_url() }.into(),
        false => GrantError::Unanswered { url: http::shown(url), source: error.without_url() },
    })
}

/// The JSON of a good answer.
async fn answer(url: &Url, request: RequestBuilder) -> Result<Value, GrantError> {
    let response = sent(url, request).await?;
    if !response.status().is_success() {
        return Err(refused(url, response).await);
    }
    let status = response.status().as_u16();
    let text = text(response).await;
    serde_json::from_str(&text).map_err(|_| GrantError::Refused {
        url: http::shown(url),
        status,
        message: "which is no answer of InfluxDB 2.x".to_owned(),
    })
}

async fn refused(url: &Url, response: Response) -> GrantError {
    let status = response.status().as_u16();
    let text = text(response).await;
    let words = serde_json::from_str::<Value>(&text).ok().and_then(|json| json["message"].as_str().map(str::to_owned));
    GrantError::Refused { url: http::shown(url), status, message: clean(&words.unwrap_or(text)) }
}

/// As much of an answer's text as is of use.
async fn text(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(part)) = response.chunk().await {
        bytes.extend_from_slice(&part[..part.len().min(ANSWER_BYTES - bytes.len())]);
        if bytes.len() == ANSWER_BYTES {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
