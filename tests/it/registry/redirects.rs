//! Redirects, T105.

use pullgate::registry::Limits;

use super::{anonymous, client, client_with};
use pullgate_test::registry::{Auth, MANIFEST, Options, Registry, Scripted};

#[tokio::test]
async fn a_redirect_to_another_host_carries_no_credentials() {
    let storage = Registry::start().await;
    let registry =
        Registry::with(Options { auth: Auth::basic("user", "pg5ECRET"), ..Options::default() }).await;
    let digest = registry.image("a", "1", "one");
    let bytes = registry.tagged("a", "1").unwrap();
    storage.hook(move |_| Some(Scripted::ok(MANIFEST, bytes.clone())));
    let target = format!("http://{}/there?sig=pg5ECRET", storage.host());
    registry.hook(move |request| request.header("authorization").map(|_| Scripted::redirect(&target)));
    let credentials = pullgate::registry::Credentials::password("user", "pg5ECRET");
    let resolved = client().resolve(&registry.reference("a:1"), &credentials).await.unwrap();
    assert_eq!(resolved.digest(), &digest);
    assert_eq!(storage.lines(), ["GET /there?sig=pg5ECRET"]);
    assert_eq!(storage.requests()[0].header("authorization"), None);
    assert!(registry.requests().last().unwrap().header("authorization").is_some());
}

#[tokio::test]
async fn a_redirect_on_the_same_host_carries_credentials() {
    let registry =
        Registry::with(Options { auth: Auth::basic("user", "pg5ECRET"), ..Options::default() }).await;
    registry.image("a", "1", "one");
    registry.image("b", "1", "one");
    registry.hook(|request| {
        let redirected =
            request.uri.path().starts_with("/v2/a/") && request.header("authorization").is_some();
        redirected.then(|| Scripted::redirect("/v2/b/manifests/1"))
    });
    let credentials = pullgate::registry::Credentials::password("user", "pg5ECRET");
    client().resolve(&registry.reference("a:1"), &credentials).await.unwrap();
    assert!(registry.requests().last().unwrap().header("authorization").is_some());
}

#[tokio::test]
async fn dangerous_redirects_are_refused() {
    let registry = Registry::start().await;
    for (location, reason) in [
        ("http://169.254.169.254/latest/meta-data?token=x", "address of this node or of a private network"),
        ("http://[fe80::1]/", "address of this node or of a private network"),
        ("http://0.0.0.0/", "address of this node or of a private network"),
        ("file:///etc/passwd", "neither HTTP nor HTTPS"),
        ("gopher://x/", "neither HTTP nor HTTPS"),
        ("http://user:pg5ECRET@127.0.0.1/", "contains a user name or password"),
        ("", "in a row"),
        ("http://exa mple/", "its header Location is missing"),
    ] {
        let answer = Scripted::redirect(location);
        registry.hook(move |_| Some(answer.clone()));
        let error = client().resolve(&registry.reference("a:1"), &anonymous()).await.unwrap_err();
        let code = if location.is_empty() { "registry-too-many-redirects" } else { "registry-redirect" };
        assert_eq!(error.code(), code, "{location} {error}");
        assert!(error.to_string().contains(reason), "{location} {error}");
        assert!(!error.to_string().contains("token=x") && !error.to_string().contains("pg5ECRET"), "{error}");
    }
}

#[tokio::test]
async fn at_most_three_redirects_are_followed() {
    let registry = Registry::start().await;
    registry.image("a", "1", "one");
    for (hops, limit, fits) in [(3, 3, true), (4, 3, false), (1, 0, false)] {
        registry.hook(move |request| {
            let done = request.uri.query().map_or(0, |query| query.len());
            (done < hops)
                .then(|| Scripted::redirect(&format!("{}?{}", request.uri.path(), "x".repeat(done + 1))))
        });
        let limits = Limits { redirects: limit, ..Limits::default() };
        let resolved = client_with(limits).resolve(&registry.reference("a:1"), &anonymous()).await;
        assert_eq!(resolved.is_ok(), fits, "{hops} {:?}", resolved.err());
    }
}

#[tokio::test]
async fn uploads_are_not_redirected() {
    let registry = Registry::start().await;
    registry.hook(|_| Some(Scripted::redirect("/v2/b/blobs/uploads/")));
    let stored = client().writer(&registry.repository("a"), &anonymous()).upload_blob("x".into()).await;
    assert_eq!(stored.unwrap_err().code(), "registry-redirect");
}
