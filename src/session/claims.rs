//! What tokens say of themselves, and the claims that a service asks a new one to have.

use crate::error::{Error, Result};
use crate::json;
use crate::status::Status;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64_URL;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// What a token says of itself. It is read to tell people who they are, never to decide what they may do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Claims {
    /// Whom it is for.
    pub aud: String,
    /// The tenant.
    pub tid: String,
    /// When it ends, in Unix seconds.
    pub exp: i64,
    /// When it begins, in Unix seconds.
    pub nbf: Option<i64>,
    /// The app.
    pub appid: Option<String>,
    /// The app (v2 tokens).
    pub azp: Option<String>,
    /// The person.
    pub upn: Option<String>,
    /// The person (v2 tokens).
    pub preferred_username: Option<String>,
    /// The person's or app's object.
    pub oid: Option<String>,
    /// What ties an id token to the sign-in that asked for it.
    pub nonce: Option<String>,
    /// A person's permissions, separated by spaces.
    pub scp: Option<String>,
    /// An app's permissions.
    pub roles: Vec<String>,
    /// `app` or `user`.
    pub idtyp: Option<String>,
}

impl Claims {
    /// Reads an access token's claims.
    pub fn of(token: &str) -> Result<Self> {
        payload(token).ok_or_else(|| {
            Error::new(Status::TokenUnusable, "the access token is not a readable JWT").target("accessToken")
        })
    }

    /// The permissions in it.
    pub fn permissions(&self) -> Vec<String> {
        match &self.scp {
            Some(scopes) => scopes.split_whitespace().map(str::to_string).collect(),
            None => self.roles.clone(),
        }
    }

    /// Whether it stands for a person.
    pub fn delegated(&self) -> bool {
        self.scp.is_some()
    }

    /// The person's name.
    pub fn person(&self) -> Option<String> {
        self.upn.clone().or_else(|| self.preferred_username.clone())
    }
}

/// The middle part of a JWT.
pub(crate) fn payload<T: DeserializeOwned>(token: &str) -> Option<T> {
    let payload = token.split('.').nth(1)?;
    let bytes = BASE64_URL.decode(payload.trim_end_matches('=')).ok()?;
    json::read(&bytes).ok()
}

/// The `claims` parameter of a token request: what a challenge asks for, and that this client understands challenges.
pub(crate) fn parameter(challenge: Option<&str>) -> String {
    let mut claims: Value = challenge
        .and_then(|text| json::read(text).ok())
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({}));
    if !claims["access_token"].is_object() {
        claims["access_token"] = json!({});
    }
    claims["access_token"]["xms_cc"] = json!({"values": ["cp1"]});
    claims.to_string()
}

/// What a challenge asks for, in words.
pub(crate) fn describe(challenge: &str) -> Vec<String> {
    let Ok(Value::Object(claims)) = json::read::<Value>(challenge) else {
        return vec!["a new sign-in".into()];
    };
    let asked: Vec<&Map<String, Value>> = ["access_token", "id_token"]
        .iter()
        .filter_map(|part| claims.get(*part)?.as_object())
        .collect();
    let lines: Vec<String> = asked
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "xms_cc")
        .map(|(name, request)| {
            let values = values(request);
            match name.as_str() {
                "acrs" => format!("the authentication context {values}"),
                "amr" => format!("another way of authentication ({values})"),
                "nbf" => match values.parse().ok().and_then(|s| Timestamp::from_second(s).ok()) {
                    Some(time) => format!("a sign-in after {time}"),
                    None => "a newer sign-in".into(),
                },
                "capolids" => format!("what the policy with the id {values} demands"),
                "deviceid" => "a registered or compliant device".into(),
                "xms_rp_ipaddr" => format!("a sign-in from the address {values}"),
                other => format!("the claim {other} {values}").trim_end().to_string(),
            }
        })
        .map(|line| line.chars().filter(|c| !c.is_control()).take(300).collect())
        .collect();
    if lines.is_empty() {
        vec!["a new sign-in".into()]
    } else {
        lines
    }
}

/// The values that a claim's request names.
fn values(request: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let one = request.get("value").map(text);
    let many = request.get("values").and_then(Value::as_array);
    one.into_iter()
        .chain(many.into_iter().flatten().map(text))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Conditional Access asked for more than there is a person to give.
pub(crate) fn unmet(challenge: &str) -> Error {
    let asked = describe(challenge).join(" and ");
    Error::new(
        Status::SignInConditionalAccess,
        format!("Conditional Access asks for {asked}, which this sign-in cannot give"),
    )
    .help(
        "Sign in again with Connect-SsprTenant, or leave this app out of the policy; the sign-in log names the policy.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_and_nonsense_is_refused() {
        let body = BASE64_URL.encode(r#"{"aud":"a","tid":"t","exp":5,"scp":"A B"}"#);
        let claims = Claims::of(&format!("x.{body}.y")).unwrap();
        assert_eq!(claims.permissions(), ["A", "B"]);
        assert!(claims.delegated());
        for bad in ["", "a", "a.b.c", "a.!!!.c"] {
            assert_eq!(Claims::of(bad).unwrap_err().status, Status::TokenUnusable, "{bad}");
        }
    }

    #[test]
    fn a_challenge_is_kept_and_the_capability_added() {
        let merged: Value = serde_json::from_str(&parameter(Some(
            r#"{"access_token":{"nbf":{"value":"7"}},"id_token":{"x":null}}"#,
        )))
        .unwrap();
        assert_eq!(
            merged,
            json!({"access_token": {"nbf": {"value": "7"}, "xms_cc": {"values": ["cp1"]}}, "id_token": {"x": null}})
        );
        for odd in [None, Some("nonsense"), Some("[]"), Some(r#"{"access_token":5}"#)] {
            let merged: Value = serde_json::from_str(&parameter(odd)).unwrap();
            assert_eq!(
                merged,
                json!({"access_token": {"xms_cc": {"values": ["cp1"]}}}),
                "{odd:?}"
            );
        }
    }

    #[test]
    fn a_challenge_is_told_in_words() {
        for (challenge, wanted) in [
            (
                r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#,
                "the authentication context c1",
            ),
            (
                r#"{"access_token":{"amr":{"values":["mfa","rsa"]}}}"#,
                "way of authentication (mfa, rsa)",
            ),
            (
                r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#,
                "after 2020-10-31T01:10:51Z",
            ),
            (
                r#"{"access_token":{"capolids":{"essential":true,"values":["p"]}}}"#,
                "policy with the id p",
            ),
            (r#"{"access_token":{"other\u0007":null}}"#, "the claim other"),
            (r#"{}"#, "a new sign-in"),
            ("\u{1b}[31m", "a new sign-in"),
        ] {
            let error = unmet(challenge);
            assert_eq!(error.status, Status::SignInConditionalAccess);
            assert!(error.message.contains(wanted), "{challenge}: {}", error.message);
            assert!(!error.to_json().contains("u0007"));
        }
    }
}
