//! Checks that all credentials in requests are secrets that the search for secrets finds.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::Recorded;
use crate::secrets::is_found;

/// The secrets of a request: in its `authorization` header, and in the form of a token request.
fn secrets(request: &Recorded) -> Vec<String> {
    let authorization = request.header("authorization").unwrap_or_default();
    let basic = authorization.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text).ok());
    let basic = basic.and_then(|bytes| String::from_utf8(bytes).ok());
    let password = basic.as_deref().map(|text| text.split_once(':').map_or(text, |(_, password)| password));
    let bearer = authorization.strip_prefix("Bearer ").map(|token| claims(token).unwrap_or(token.to_owned()));
    let mut found: Vec<String> = password.map(str::to_owned).into_iter().chain(bearer).collect();
    if request.uri.path() == "/token" {
        let form = format!("http://x/?{}", String::from_utf8_lossy(&request.body));
        let form = reqwest::Url::parse(&form).expect("any text can be a query");
        let fields = form.query_pairs().filter(|(name, _)| name == "password" || name == "refresh_token");
        found.extend(fields.map(|(_, secret)| secret.into_owned()));
    }
    found
}

/// The claims of an identity token: the search finds encoded marks too, but no token as a whole contains one.
fn claims(token: &str) -> Option<String> {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    URL_SAFE_NO_PAD.decode(claims).ok().and_then(|bytes| String::from_utf8(bytes).ok())
}

/// A secret of a request that the search would not find.
pub(super) fn unmarked(request: &Recorded) -> Option<String> {
    secrets(request).into_iter().find(|secret| !secret.is_empty() && !is_found(secret))
}
