//! Attestations that a Grafeas server lists: Container Analysis, or one of the operator.
//!
//! Sources: grafeas `proto/v1/grafeas.proto` (`ListOccurrences`) and the filters that Container Analysis documents. The answer
//! only says where to look: what counts is signed. Like a lookaside server, it gets no credentials of a pull or of the operator
//! but the token for it, and a challenge is an error.

use std::collections::HashSet;

use bytes::Bytes;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use reqwest::Url;

use super::super::error::{Bound, Class, RegistryError};
use super::super::grafeas::Grafeas;
use super::super::host_request::HostRequest;
use super::super::hosts::{Host, Scheme};
use super::budget::Budget;
use super::lookaside::ask;
use super::referrers::path_and_query;
use super::{Attachment, Collected, Search};
use pullgate_core::signature::{GrafeasListing, MAX_GRAFEAS_BYTES};
use pullgate_core::untrusted::error_chain;
use pullgate_net::memory::{MemoryError, Reserved};
use pullgate_net::{offload, secret};

const WHAT: &str = "list of Grafeas occurrences";

/// The attestations of the image of a search.
pub(super) async fn attestations(search: &Search<'_>, grafeas: &Grafeas) -> Collected {
    let mut collected = Collected::default();
    if let Err(error) = listed(search, grafeas, &mut collected).await {
        collected.problem("grafeas", error);
    }
    collected
}

async fn listed(
    search: &Search<'_>,
    grafeas: &Grafeas,
    collected: &mut Collected,
) -> Result<(), RegistryError> {
    let limits = search.state.limits();
    let host = host(grafeas).await?;
    let context = search.context.unauthenticated(limits);
    let budget = Budget::new(limits);
    let mut next = None;
    let mut requested = HashSet::new();
    for _ in 0..limits.referrer_pages {
        let request = HostRequest {
            method: http::Method::GET,
            target: target(search, grafeas, next.as_deref())?,
            accept: Some("application/json"),
            body: None,
            condition: None,
            what: WHAT.to_owned(),
            limit: limits.manifest_bytes,
            repository: search.image.path().to_owned(),
            push: false,
        };
        let answer =
            ask(search.state, &host, &request, &context).await.map_err(|error| missing(&host, error))?;
        // What is read of the page is in memory of its own.
        let parsed = reserve(search, answer.body.len()).await?;
        let page = read(&answer.body, search).await?;
        drop(answer);
        for document in page.attestations {
            add(search, document, &budget, collected).await?;
        }
        drop(parsed);
        match page.next {
            None => return Ok(()),
            Some(token) if requested.contains(&token) => return Err(malformed("its pages form a loop")),
            Some(token) => {
                requested.insert(token.clone());
                next = Some(token);
            }
        }
    }
    let (bound, limit) = (Bound::Pages, limits.referrer_pages);
    Err(RegistryError::TooMany { bound, what: "pages of Grafeas occurrences", limit })
}

/// The server, with the token of the operator.
async fn host(grafeas: &Grafeas) -> Result<Host, RegistryError> {
    let scheme = if grafeas.secure { Scheme::Https } else { Scheme::Http };
    let mut host = Host { scheme, ..Host::plain(&grafeas.authority) };
    let Some(file) = grafeas.token_file.clone().filter(|_| grafeas.may_get_token()) else { return Ok(host) };
    let unusable = |reason: String| RegistryError::Configuration { host: grafeas.authority.clone(), reason };
    let read = tokio::task::spawn_blocking(move || secret::read(&file)).await;
    let token = read.map_err(|_| RegistryError::Lost)?.map_err(unusable)?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.as_str()))
        .map_err(|_| unusable("the token has characters that a header cannot have".to_owned()))?;
    value.set_sensitive(true);
    host.header.insert(AUTHORIZATION, value);
    Ok(host)
}

/// Path and query of a page.
fn target(search: &Search<'_>, grafeas: &Grafeas, token: Option<&str>) -> Result<String, RegistryError> {
    let base = format!("https://{}{}/occurrences", grafeas.authority, grafeas.path);
    let mut url = Url::parse(&base).map_err(|_| malformed("its address is not a URL"))?;
    let filter =
        format!("kind=\"ATTESTATION\" AND resourceUrl=\"https://{}@{}\"", search.image, search.digest);
    url.query_pairs_mut().append_pair("filter", &filter).append_pair("pageSize", "100");
    if let Some(token) = token {
        url.query_pairs_mut().append_pair("pageToken", token);
    }
    Ok(path_and_query(&url))
}

/// A project that is not there, or that these credentials may not see, is no project without attestations.
fn missing(host: &Host, error: RegistryError) -> RegistryError {
    if error.class() != Class::NotFound {
        return error;
    }
    let reason = "it has no occurrences at the address in `grafeas`".to_owned();
    RegistryError::Configuration { host: host.authority.clone(), reason }
}

async fn read(body: &Bytes, search: &Search<'_>) -> Result<GrafeasListing, RegistryError> {
    let (document, digest) = (body.clone(), search.digest.clone());
    let read = offload::document(body.len(), move || GrafeasListing::read(&document, &digest)).await;
    read.ok_or(RegistryError::Lost)?.map_err(|error| malformed(&error_chain(&error)))
}

/// Memory for what is read of a page.
async fn reserve(search: &Search<'_>, bytes: usize) -> Result<Reserved, RegistryError> {
    let share = &search.context.share;
    match share.reserve_now(bytes) {
        Err(MemoryError::NotYet) => {
            // Others need the permit to end.
            search.context.end_turn();
            Ok(share.reserve(bytes, search.state.limits().queue_timeout).await?)
        }
        reserved => Ok(reserved?),
    }
}

async fn add(
    search: &Search<'_>,
    document: Bytes,
    budget: &Budget,
    collected: &mut Collected,
) -> Result<(), RegistryError> {
    let limits = search.state.limits();
    let number = collected.attachments.len() + collected.problems.len() + 1;
    let place = format!("grafeas occurrence {number}");
    if number > limits.signatures {
        let (bound, limit) = (Bound::Signatures, limits.signatures);
        return Err(RegistryError::TooMany { bound, what: "attestations", limit });
    }
    let limit = limits.signature_max_size.min(u64::try_from(MAX_GRAFEAS_BYTES).unwrap_or(u64::MAX));
    let size = u64::try_from(document.len()).unwrap_or(u64::MAX);
    if size > limit {
        let what = WHAT.to_owned();
        collected.problem(place, RegistryError::TooLarge { bound: Bound::Signature, what, limit });
        return Ok(());
    }
    budget.take(size)?;
    let document = reserve(search, document.len()).await?.hold(document);
    collected.attachments.push(Attachment::Grafeas { place, document });
    Ok(())
}

fn malformed(reason: &str) -> RegistryError {
    RegistryError::Malformed { what: WHAT.to_owned(), reason: reason.to_owned() }
}
