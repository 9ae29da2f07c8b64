//! A page of the occurrences that Grafeas lists.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::digest::Digest;
use crate::signature::fields::{FieldError, Fields, array, object, parse, string};

/// Maximum size of the token of a page: 4 KiB.
pub const MAX_TOKEN_BYTES: usize = 4 << 10;

/// The parts of an occurrence that are signed, or hold signatures; nothing else is kept.
const KEPT: [&str; 2] = ["attestation", "dsseAttestation"];

/// The attestations on one page of a list of occurrences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Each as the JSON of an occurrence of its own.
    pub attestations: Vec<Bytes>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}

impl Listing {
    /// Reads a response to `ListOccurrences`. Occurrences of another kind, or of another digest than `digest`, are skipped: a
    /// server need not support the filter.
    ///
    /// # Errors
    /// When it is not JSON of this shape.
    pub fn read(document: &[u8], digest: &Digest) -> Result<Self, FieldError> {
        let mut page = object(parse(document, super::occurrence::MAX_DEPTH + 2)?, "list of occurrences")?;
        let listed = page.optional("occurrences").map_or(Ok(Vec::new()), |it| array(it, "occurrences"))?;
        let mut attestations = Vec::new();
        for occurrence in listed {
            attestations.extend(attestation(object(occurrence, "occurrence")?, digest)?);
        }
        let next = page.optional("nextPageToken").map(|it| string(it, "nextPageToken")).transpose()?;
        let next = next.filter(|token| !token.is_empty());
        if next.as_ref().is_some_and(|token| token.len() > MAX_TOKEN_BYTES) {
            return Err(FieldError::Kind { field: "nextPageToken", wanted: "a text of at most 4 KiB" });
        }
        Ok(Self { attestations, next })
    }
}

fn attestation(mut occurrence: Fields, digest: &Digest) -> Result<Option<Bytes>, FieldError> {
    // v1beta1 has an object.
    let resource = match (occurrence.optional("resourceUri"), occurrence.optional("resource")) {
        (Some(uri), _) => Some(uri),
        (None, Some(resource)) => object(resource, "resource")?.optional("uri"),
        (None, None) => None,
    };
    let resource = resource.map(|it| string(it, "resourceUri")).transpose()?;
    let is_of_digest =
        resource.is_some_and(|uri| uri.rsplit_once('@').is_some_and(|(_, of)| of == digest.as_str()));
    let kept: Map<String, Value> =
        KEPT.into_iter().filter_map(|name| Some((name.to_owned(), occurrence.optional(name)?))).collect();
    Ok((is_of_digest && !kept.is_empty()).then(|| Value::Object(kept).to_string().into()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_attestations_of_the_digest_are_listed() {
        let digest = Digest::of(b"image");
        let (own, other) = (format!("https://r.example/a@{digest}"), "https://r.example/a:1".to_owned());
        let read = |page: Value| Listing::read(page.to_string().as_bytes(), &digest);
        let page = read(json!({
            "occurrences": [
                { "name": "x", "resourceUri": own, "kind": "ATTESTATION", "attestation": { "a": 1 } },
                { "resource": { "uri": own }, "attestation": { "attestation": {} } },
                { "resourceUri": own, "dsseAttestation": {} },
                { "resourceUri": own, "vulnerability": {} },
                { "resourceUri": other, "attestation": {} },
                { "attestation": {} },
            ],
            "nextPageToken": "more",
        }));
        let expected = [
            r#"{"attestation":{"a":1}}"#,
            r#"{"attestation":{"attestation":{}}}"#,
            r#"{"dsseAttestation":{}}"#,
        ];
        assert_eq!(
            page.unwrap(),
            Listing { attestations: expected.map(Bytes::from).into(), next: Some("more".to_owned()) }
        );
        for empty in [json!({}), json!({ "occurrences": null, "nextPageToken": "" })] {
            assert_eq!(read(empty).unwrap(), Listing::default());
        }
        for malformed in [
            json!([]),
            json!({ "occurrences": {} }),
            json!({ "occurrences": ["x"] }),
            json!({ "occurrences": [{ "resourceUri": 1 }] }),
            json!({ "nextPageToken": 1 }),
            json!({ "nextPageToken": "x".repeat(MAX_TOKEN_BYTES + 1) }),
        ] {
            assert!(read(malformed.clone()).is_err(), "{malformed}");
        }
        assert!(Listing::read(b"<html>", &digest).is_err());
        assert!(Listing::read(br#"{"occurrences":[],"occurrences":[]}"#, &digest).is_err());
    }
}
