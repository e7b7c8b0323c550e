//! `token`: a token that only writes, from the secret that Timestream for InfluxDB makes by itself.

use std::io::{self, Write};

use aws_sdk_secretsmanager::Client;
use serde_json::{Map, Value, json};

use super::{CliError, TokenArguments, print};
use crate::aws;
use crate::config::{Config, Login, Secret};
use crate::sink::{Grant, GrantError};

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenCommandError {
    #[error("the secret `{name}` cannot be read from Secrets Manager")]
    Read {
        name: String,
        #[source]
        cause: aws::Cause,
    },
    #[error(
        "the token is made, and cannot be stored in the secret `{name}`\nhint: delete it in InfluxDB, where it is described as `influxdb-loader: writes`"
    )]
    Store {
        name: String,
        #[source]
        cause: aws::Cause,
    },
    #[error(
        "the secret `{name}` is no JSON object with {missing}\nhint: the secret that Timestream for InfluxDB 2 makes has `organization`, `bucket`, `username` and `password`"
    )]
    Malformed { name: String, missing: &'static str },
    #[error(
        "the secret `{name}` holds a token already\nhint: for InfluxDB 3, set `INFLUXDB_TOKEN_SECRET_NAME` to `{name}`"
    )]
    HasToken { name: String },
    #[error(transparent)]
    Grant(#[from] GrantError),
}

/// Makes a token, and prints or stores it. Returns true.
pub(super) async fn token(config: &Config, arguments: &TokenArguments) -> Result<bool, CliError> {
    let TokenArguments { secret, store, organization, bucket } = arguments;
    let (url, ca_file) = config.server()?;
    let client = aws::secrets_manager().await;
    let members = members(&client, secret).await?;
    if members.contains_key("token") {
        return Err(TokenCommandError::HasToken { name: secret.clone() }.into());
    }
    let text = |name: &'static str, shown: &'static str| {
        let text = members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| TokenCommandError::Malformed { name: secret.clone(), missing: shown })
    };
    let named = |given: &Option<String>, name, shown| given.clone().map_or_else(|| text(name, shown), Ok);
    let grant = Grant {
        login: Login {
            username: text("username", "`username`")?,
            password: Secret::new(text("password", "`password`")?),
        },
        organization: named(organization, "organization", "`organization`")?,
        bucket: named(bucket, "bucket", "`bucket`")?,
    };
    let token = grant.make(url, ca_file, &config.write).await.map_err(TokenCommandError::from)?;
    let Grant { organization, bucket, .. } = &grant;
    match store {
        None => print(&format!("{}\n", token.expose()))?,
        Some(name) => {
            keep(&client, name, &token).await?;
            print(&format!("stored in the secret {name}\n"))?;
        }
    }
    // When standard error is closed, there is no reader.
    drop(writeln!(io::stderr(), "it may write to bucket `{bucket}` of organization `{organization}` and nothing else"));
    Ok(true)
}

/// The members of the JSON in a secret.
async fn members(client: &Client, name: &str) -> Result<Map<String, Value>, TokenCommandError> {
    let answer = client.get_secret_value().secret_id(name).send().await;
    let answer = answer.map_err(|error| TokenCommandError::Read { name: name.to_owned(), cause: aws::words(error) })?;
    let json = answer.secret_string.and_then(|text| serde_json::from_str(&text).ok());
    json.ok_or_else(|| TokenCommandError::Malformed { name: name.to_owned(), missing: "a user and a password" })
}

/// Stores a token as the loader reads it, in a secret that is made where there is none.
async fn keep(client: &Client, name: &str, token: &Secret) -> Result<(), TokenCommandError> {
    let failed = |cause| TokenCommandError::Store { name: name.to_owned(), cause };
    let text = json!({ "token": token.expose() }).to_string();
    let put = client.put_secret_value().secret_id(name).secret_string(&text).send().await;
    match put {
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
            let made = client.create_secret().name(name).secret_string(text).send().await;
            made.map(drop).map_err(|error| failed(aws::words(error)))
        }
        put => put.map(drop).map_err(|error| failed(aws::words(error))),
    }
}
