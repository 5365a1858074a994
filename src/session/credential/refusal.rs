//! What the token endpoint says when it says no.

use crate::error::Error;
use crate::json;
use crate::session::claims;
use crate::status::Status;
use crate::tenant::http::HttpError;
use serde::Deserialize;

/// The members of a token request whose values are secrets.
const SECRET: &[&str] = &[
    "client_secret",
    "client_assertion",
    "refresh_token",
    "code",
    "code_verifier",
    "device_code",
];

/// The numbers of assertions that are not accepted: an algorithm that is not supported or does not fit the key, a token
/// that cannot be read, a signature or a certificate that is not known.
const ASSERTION: &[i64] = &[5_002_738, 5_002_730, 50_027, 50_012, 700_027];

/// The service's own words are short; more is noise.
const MAX_WORDS: usize = 1000;

/// The token endpoint's error document.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Refusal {
    /// The kind, such as `invalid_grant`.
    pub error: String,
    error_description: String,
    error_codes: Vec<i64>,
    correlation_id: Option<String>,
    /// What a new sign-in must bring.
    pub claims: Option<String>,
    suberror: Option<String>,
}

impl Refusal {
    /// Reads an answer; none when it is no error document.
    pub fn of(error: &HttpError) -> Option<Self> {
        match error {
            HttpError::Status { body, .. } => Refusal::read(body),
            _ => None,
        }
    }

    /// Reads an error document, whatever the status that it came with.
    pub fn read(text: &str) -> Option<Self> {
        let refusal: Refusal = json::read(text).ok()?;
        (!refusal.error.is_empty()).then_some(refusal)
    }

    /// What a browser brought back in place of a code.
    pub fn returned(error: &str, description: &str) -> Self {
        Refusal {
            error: error.into(),
            error_description: description.into(),
            ..Refusal::default()
        }
    }

    /// The service's numbers; where the document has none they are in the words.
    fn codes(&self) -> Vec<i64> {
        if !self.error_codes.is_empty() {
            return self.error_codes.clone();
        }
        self.error_description
            .split("AADSTS")
            .skip(1)
            .filter_map(|rest| {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().ok()
            })
            .collect()
    }

    /// What it means and what to do.
    fn meaning(&self) -> (Status, Option<&'static str>) {
        explain(&self.error, &self.codes(), self.claims.is_some())
    }

    /// Whether a person who signs in again could change it.
    pub fn needs_person(&self) -> bool {
        matches!(
            self.error.as_str(),
            "invalid_grant" | "interaction_required" | "login_required" | "consent_required"
        )
    }

    /// Whether an assertion's form may be what was not accepted: its algorithm, or how it names its certificate. The
    /// service knows several answers to that, under both errors; an older one gives no number.
    pub fn refuses_assertion(&self) -> bool {
        let codes = self.codes();
        match self.error.as_str() {
            "invalid_client" if codes.is_empty() => true,
            "invalid_client" | "invalid_request" => codes.iter().any(|code| ASSERTION.contains(code)),
            _ => false,
        }
    }

    /// The service's own sentence.
    pub fn words(&self) -> String {
        // The first line says it; the rest repeats the ids.
        let line = self.error_description.lines().next().unwrap_or_default();
        let line = line.split(" Trace ID:").next().unwrap_or(line).trim();
        plain(if line.is_empty() { &self.error } else { line })
    }

    /// As the error that the caller sees.
    pub fn error(&self) -> Error {
        let (status, help) = self.meaning();
        let words = self.words();
        let mut out = Error::new(
            status,
            if words == self.error {
                format!("the sign-in was refused: {words}")
            } else {
                words
            },
        );
        out.detail.push(plain(&self.error));
        out.detail.extend(self.suberror.as_deref().map(plain));
        if let Some(challenge) = &self.claims {
            let asked = claims::describe(challenge);
            out.detail
                .extend(asked.iter().map(|what| format!("it asks for {what}")));
        }
        out.request_id = self.correlation_id.as_deref().map(plain);
        out.help = help.map(str::to_string);
        out
    }
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
}

/// Takes the secrets of a request out of the answer to it.
pub(crate) fn redact(text: &str, form: &[(&str, &str)]) -> String {
    let mut text = text.to_string();
    for (_, secret) in form
        .iter()
        .filter(|(name, value)| SECRET.contains(name) && !value.is_empty())
    {
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let escaped = serde_json::Value::from(*secret).to_string();
        for form in [*secret, &encoded, &escaped[1..escaped.len() - 1]] {
            text = text.replace(form, "***");
        }
    }
    text
}

/// What the more frequent refusals mean and what to do.
fn explain(error: &str, codes: &[i64], claims: bool) -> (Status, Option<&'static str>) {
    let has = |wanted: &[i64]| codes.iter().any(|code| wanted.contains(code));
    let refused = |help| (Status::SignInRefused, Some(help));
    if has(&[7_000_215, 7_000_222]) {
        return refused("Make a new secret for the app and use its value, not its id; it may also have ended.");
    }
    if has(&[90_002, 900_023]) {
        return refused("Check the tenant's id or domain, and the cloud that it is in.");
    }
    if has(&[700_016]) {
        return refused(
            "Check the tenant and the client id: the app must be registered or consented to in this tenant.",
        );
    }
    if has(ASSERTION) || has(&[700_024, 7_000_272, 700_021, 700_023]) {
        return refused("Register this certificate with the app, and check this machine's clock.");
    }
    if has(&[700_211, 700_212, 700_213, 70_021, 700_222, 700_238]) {
        return refused(
            "Add a federated credential with exactly this issuer, subject and audience to the app; the assertion must be fresh.",
        );
    }
    if has(&[65_004]) {
        return refused(DECLINED);
    }
    if has(&[65_001, 90_094, 65_005]) {
        return refused("An administrator must consent to the app's permissions in this tenant.");
    }
    if has(&[65_002]) {
        return refused("Only Microsoft's own client may ask for this service; leave the client id out.");
    }
    if has(&[50_011, 500_112]) {
        return refused("Register http://localhost under 'Mobile and desktop applications' of the app.");
    }
    if has(&[7_000_218]) {
        return refused(
            "Allow public client flows in the app's registration, or sign in with its secret or certificate.",
        );
    }
    if has(&[50_105]) {
        return refused("The app requires an assignment: assign it to this person or to a group of theirs.");
    }
    if has(&[50_034, 50_020]) {
        return refused("This account is not of this tenant: check the tenant, or sign in with another account.");
    }
    if has(&[50_057]) {
        return refused("The account is disabled.");
    }
    if has(&[50_053]) {
        return refused("The account is locked after too many tries; wait, or ask an administrator.");
    }
    if has(&[53_003, 530_003, 50_199]) && error != "interaction_required" {
        return (
            Status::SignInConditionalAccess,
            Some(
                "A Conditional Access policy blocks this way to sign in (device codes are often blocked): sign in through the browser, or see the sign-in log.",
            ),
        );
    }
    if claims
        || error == "interaction_required"
        || has(&[
            50_005, 50_072, 50_074, 50_076, 50_078, 50_079, 50_097, 50_131, 50_158, 53_000, 53_001, 53_002, 53_003,
            53_004, 530_003, 530_021, 530_031, 530_032,
        ])
    {
        return (
            Status::SignInConditionalAccess,
            Some("A Conditional Access policy asks for more: see the sign-in log entry of this time."),
        );
    }
    if has(&[50_173, 700_082, 70_043, 70_044, 70_008, 50_089, 50_132, 50_133]) {
        return (
            Status::SignInNeeded,
            Some("The sign-in has ended (a changed password, a policy, or a long pause). Sign in again."),
        );
    }
    // Conditional Access answers so too; only without a number of its own was it the person.
    if matches!(error, "access_denied" | "authorization_declined") {
        return refused(DECLINED);
    }
    (Status::SignInRefused, None)
}

const DECLINED: &str =
    "The person declined. Sign in again and accept, or use an app that an administrator consented to.";

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Refusal {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_words_are_short_and_plain() {
        let error = refusal(
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret\u001b[31m provided. Trace ID: 0 Correlation ID: 0\r\nmore","error_codes":[7000215],"correlation_id":"c\u0000"}"#,
        )
        .error();
        assert_eq!(error.status, Status::SignInRefused);
        assert_eq!(error.message, "AADSTS7000215: Invalid client secret[31m provided.");
        assert_eq!(error.request_id.as_deref(), Some("c"));
        assert!(error.help.unwrap().contains("not its id"));
    }

    #[test]
    fn codes_are_found_in_the_words_too() {
        let error = Refusal::returned("access_denied", "AADSTS65004: declined.").error();
        assert!(error.help.unwrap().contains("declined"));
        assert_eq!(
            Refusal::returned("x", "AADSTS53003: no AADSTSx AADSTS99999999999999999999").codes(),
            [53_003]
        );
    }

    #[test]
    fn every_kind_has_its_status() {
        for (text, status) in [
            (
                r#"{"error":"invalid_grant","error_codes":[50173]}"#,
                Status::SignInNeeded,
            ),
            (
                r#"{"error":"invalid_grant","error_codes":[53003]}"#,
                Status::SignInConditionalAccess,
            ),
            (r#"{"error":"interaction_required"}"#, Status::SignInConditionalAccess),
            (
                r#"{"error":"invalid_grant","claims":"{}"}"#,
                Status::SignInConditionalAccess,
            ),
            (
                r#"{"error":"invalid_grant","error_codes":[65001]}"#,
                Status::SignInRefused,
            ),
            (r#"{"error":"made_up"}"#, Status::SignInRefused),
            (
                r#"{"error":"access_denied","error_description":"AADSTS53003: Access has been blocked by Conditional Access policies."}"#,
                Status::SignInConditionalAccess,
            ),
            (
                r#"{"error":"authorization_declined","error_codes":[53000]}"#,
                Status::SignInConditionalAccess,
            ),
            (r#"{"error":"access_denied"}"#, Status::SignInRefused),
            (
                r#"{"error":"authorization_declined","error_codes":[70000]}"#,
                Status::SignInRefused,
            ),
        ] {
            assert_eq!(refusal(text).error().status, status, "{text}");
        }
    }

    #[test]
    fn only_a_person_who_declined_declined() {
        for (error, words, declined) in [
            ("access_denied", "AADSTS65004: User declined to consent.", true),
            ("access_denied", "", true),
            ("authorization_declined", "AADSTS70000: The end user denied it.", true),
            ("access_denied", "AADSTS53003: Blocked.", false),
            ("access_denied", "AADSTS50105: Not assigned.", false),
        ] {
            let help = Refusal::returned(error, words).error().help.unwrap();
            assert_eq!(help == DECLINED, declined, "{error} {words}: {help}");
        }
    }

    #[test]
    fn an_assertion_s_form_is_refused_in_several_ways() {
        for (text, again) in [
            (
                r#"{"error":"invalid_request","error_description":"AADSTS5002738: Invalid JWT token. 'PS256' is not a supported signature algorithm.","error_codes":[5002738]}"#,
                true,
            ),
            (r#"{"error":"invalid_request","error_codes":[5002730]}"#, true),
            (r#"{"error":"invalid_request","error_codes":[50027]}"#, true),
            (r#"{"error":"invalid_client","error_codes":[700027]}"#, true),
            (
                r#"{"error":"invalid_client","error_description":"AADSTS50012: no"}"#,
                true,
            ),
            (r#"{"error":"invalid_client"}"#, true),
            (r#"{"error":"invalid_client","error_codes":[7000215]}"#, false),
            (r#"{"error":"invalid_request","error_codes":[90002]}"#, false),
            (r#"{"error":"invalid_request"}"#, false),
            (r#"{"error":"invalid_grant","error_codes":[50027]}"#, false),
        ] {
            assert_eq!(refusal(text).refuses_assertion(), again, "{text}");
        }
    }

    #[test]
    fn secrets_leave_an_answer() {
        let form = [("client_secret", "can/ary \"1\""), ("scope", "s")];
        let text = redact(r#"can/ary "1" and can%2Fary+%221%22 and can/ary \"1\" for s"#, &form);
        assert_eq!(text, "*** and *** and *** for s");
    }
}
