//! An OpenID provider: the identity tokens of persons, and what they say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::Person;
use super::log_key::LogKey;
use crate::secrets::Secret;

/// For whom tokens are.
const AUDIENCE: &str = "sigstore";

pub(super) struct Provider {
    key: LogKey,
}

impl Provider {
    pub(super) fn new() -> Self {
        Self { key: LogKey::new() }
    }

    /// A token of this person with the claims that Fulcio writes into certificates, by their arcs.
    pub(super) fn token(&self, person: &Person) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims: Map<String, Value> =
            person.claims.iter().map(|(arc, text)| (arc.to_string(), text.as_str().into())).collect();
        let now = Timestamp::now();
        let claims = json!({
            "iss": person.issuer,
            "sub": person.subjects.first(),
            "aud": AUDIENCE,
            "iat": now.as_second(),
            "exp": (now + SignedDuration::from_mins(5)).as_second(),
            "jti": Secret::marked("pg5ECRET-token").as_str(),
            "claims": claims,
        });
        let signed = format!("{}.{}", part(&json!({ "alg": "ES256", "typ": "JWT" })), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign_raw(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// Who has this token, if it is ours, for Fulcio, and not expired.
    pub(super) fn person(&self, token: &str) -> Option<Person> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        if !self.key.verifies_raw(signed.as_bytes(), &signature) {
            return None;
        }
        let claims: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?).ok()?;
        let now = Timestamp::now();
        if claims["aud"] != AUDIENCE || claims["exp"].as_i64()? < now.as_second() {
            return None;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let arcs = claims["claims"].as_object()?.iter();
        Some(Person {
            issuer: text(&claims["iss"])?,
            subjects: vec![text(&claims["sub"])?],
            claims: arcs.filter_map(|(arc, value)| Some((arc.parse().ok()?, text(value)?))).collect(),
            issued: now,
            ..Person::builder()
        })
    }
}
