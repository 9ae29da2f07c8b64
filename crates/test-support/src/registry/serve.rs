//! The distribution protocol, as far as pulling and pushing needs it.

use bytes::Bytes;
use http::Method;
use pullgate::digest::Digest;
use serde_json::{Value, json};

use super::{Absent, INDEX, ImageRefs, MANIFEST, Recorded, Scripted, State};

impl State {
    pub(super) fn serve(&self, request: &Recorded) -> Scripted {
        let Some(path) = request.uri.path().strip_prefix("/v2/") else { return Scripted::status(404) };
        let mut repositories = self.repositories.lock().unwrap();
        if path == "_catalog" {
            let names = repositories.keys().cloned().collect();
            return page(request, "repositories", names);
        }
        if let Some(name) = path.strip_suffix("/tags/list") {
            let Some(contents) = repositories.get(name) else { return unknown("NAME_UNKNOWN") };
            return page(request, "tags", contents.tags.keys().cloned().collect());
        }
        for kind in ["/manifests/", "/blobs/uploads/", "/blobs/", "/referrers/"] {
            let Some((name, object)) = path.split_once(kind) else { continue };
            let contents = repositories.entry(name.to_owned()).or_default();
            return match (kind, &request.method) {
                ("/manifests/", &Method::GET | &Method::HEAD) => {
                    let subject = object.replacen('-', ":", 1);
                    match self.options.absent {
                        Absent::Subject if contents.manifests.contains_key(&subject) => {
                            get_manifest(contents, &subject, self.options.conditions)
                        }
                        Absent::Forbidden if !is_present(contents, object) => forbidden(),
                        _ if self.options.conditions && is_unchanged(contents, object, request) => {
                            Scripted::status(304)
                        }
                        _ => get_manifest(contents, object, self.options.conditions),
                    }
                }
                ("/manifests/", &Method::PUT) => {
                    if self.options.conditions && !condition_met(contents, object, request) {
                        return Scripted::status(412);
                    }
                    put_manifest(contents, object, request, self.options.referrers)
                }
                ("/blobs/", &Method::GET | &Method::HEAD) => match contents.blobs.get(object) {
                    Some(bytes) => Scripted::ok("application/octet-stream", bytes.clone()),
                    None => unknown("BLOB_UNKNOWN"),
                },
                ("/blobs/uploads/", &Method::POST) => {
                    Scripted::status(202).header("location", &format!("/v2/{name}/blobs/uploads/1?_state=x"))
                }
                ("/blobs/uploads/", &Method::PUT) => {
                    let digest = Digest::of(&request.body);
                    contents.blobs.insert(digest.to_string(), request.body.clone());
                    Scripted::status(201)
                }
                ("/referrers/", &Method::GET) if self.options.referrers => referrers(contents, object),
                _ => unknown("UNSUPPORTED"),
            };
        }
        unknown("NAME_UNKNOWN")
    }
}

fn get_manifest(contents: &ImageRefs, name: &str, marks: bool) -> Scripted {
    let digest = contents.tags.get(name).map_or(name, String::as_str);
    match contents.manifests.get(digest) {
        Some((media_type, bytes)) => {
            let answer = Scripted::ok(media_type, bytes.clone()).header("docker-content-digest", digest);
            if marks { answer.header("etag", &format!("\"{digest}\"")) } else { answer }
        }
        None => unknown("MANIFEST_UNKNOWN"),
    }
}

/// Whether the caller has the manifest already (RFC 9110, 13.1.2).
fn is_unchanged(contents: &ImageRefs, name: &str, request: &Recorded) -> bool {
    let found = contents.tags.get(name).map(|digest| format!("\"{digest}\""));
    found.is_some() && request.header("if-none-match") == found.as_deref()
}

fn is_present(contents: &ImageRefs, name: &str) -> bool {
    contents.tags.contains_key(name) || contents.manifests.contains_key(name)
}

/// Whether the request's condition is met (RFC 9110, 13.1).
fn condition_met(contents: &ImageRefs, name: &str, request: &Recorded) -> bool {
    let found = contents.tags.get(name).map(|digest| format!("\"{digest}\""));
    match (request.header("if-match"), request.header("if-none-match")) {
        (Some(wanted), _) => found.as_deref() == Some(wanted),
        (None, Some("*")) => found.is_none(),
        _ => true,
    }
}

fn put_manifest(contents: &mut ImageRefs, name: &str, request: &Recorded, referrers: bool) -> Scripted {
    let digest = Digest::of(&request.body).to_string();
    let media_type = request.header("content-type").unwrap_or_default().to_owned();
    contents.manifests.insert(digest.clone(), (media_type, request.body.clone()));
    if Digest::parse(name).is_err() {
        contents.tags.insert(name.to_owned(), digest);
    }
    let document: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    match document["subject"]["digest"].as_str().filter(|_| referrers) {
        Some(subject) => Scripted::status(201).header("oci-subject", subject),
        None => Scripted::status(201),
    }
}

/// Descriptors of the manifests with the subject `digest`, with the artifact type that GHCR and old tools write.
fn referrers(contents: &ImageRefs, digest: &str) -> Scripted {
    Scripted::ok(INDEX, referring(contents, digest))
}

/// The index of the referrers.
pub(super) fn referring(contents: &ImageRefs, digest: &str) -> Bytes {
    let found: Vec<Value> = contents
        .manifests
        .iter()
        .filter(|(_, (_, bytes))| {
            let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
            document["subject"]["digest"].as_str() == Some(digest)
        })
        .map(|(digest, (_, bytes))| {
            json!({
                "mediaType": MANIFEST,
                "digest": digest,
                "size": bytes.len(),
                "artifactType": "application/vnd.oci.empty.v1+json",
            })
        })
        .collect();
    super::index(&found)
}

/// One page of a list, with the address of the next one: at most three entries, so that tests have several pages.
fn page(request: &Recorded, field: &str, mut names: Vec<String>) -> Scripted {
    names.sort();
    let last = request.uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("last="));
    if let Some(last) = last {
        names.retain(|name| name.as_str() > last);
    }
    let more = names.len() > 3;
    names.truncate(3);
    let answer = Scripted::ok("application/json", json!({ field: names }).to_string());
    match names.last().filter(|_| more) {
        Some(last) => {
            let link = format!("<{}?n=3&last={last}>; rel=\"next\"", request.uri.path());
            answer.header("link", &link)
        }
        None => answer,
    }
}

fn unknown(code: &str) -> Scripted {
    refusal(404, code, "not here")
}

fn forbidden() -> Scripted {
    refusal(403, "DENIED", "not for you")
}

fn refusal(status: u16, code: &str, message: &str) -> Scripted {
    let body = json!({ "errors": [{ "code": code, "message": message, "detail": "pg5ECRET-detail" }] });
    Scripted { status, ..Scripted::ok("application/json", body.to_string()) }
}
