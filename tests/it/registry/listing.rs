//! Listings of a registry, page by page, and hostile ones.

use pullgate::reference::Repository;
use pullgate::registry::{Class, Credentials, Registry as Client, RegistryError, RegistrySettings};

use pullgate_test::registry::{Auth, Options, Registry, Scripted};

fn client() -> Client {
    Client::new(RegistrySettings::default()).unwrap()
}

async fn all_tags(
    client: &Client,
    repository: &Repository,
    credentials: &Credentials,
    most: usize,
) -> Result<Vec<String>, RegistryError> {
    client.tag_pages(repository, credentials, most)?.all().await
}

async fn all_repositories(
    client: &Client,
    host: &str,
    credentials: &Credentials,
    most: usize,
) -> Result<Vec<Repository>, RegistryError> {
    client.repository_pages(host, credentials, most)?.all().await
}

#[tokio::test]
async fn all_pages_are_read() {
    let registry = Registry::start().await;
    let digest = registry.image("team/app", "1", "one");
    let mut tags: Vec<String> = (10..20).map(|number| format!("v{number}")).collect();
    tags.iter().for_each(|tag| registry.tag("team/app", tag, &digest));
    tags.insert(0, "1".to_owned());
    let paths = ["team/app", "team/b", "team/c", "team/d", "x"];
    paths[1..].iter().for_each(|path| drop(registry.image(path, "1", path)));
    let (client, anonymous) = (client(), Credentials::anonymous());
    assert_eq!(all_tags(&client, &registry.repository("team/app"), &anonymous, 1000).await.unwrap(), tags);
    let found = all_repositories(&client, &registry.host(), &anonymous, 1000).await.unwrap();
    assert_eq!(found.iter().map(|it| it.path()).collect::<Vec<_>>(), paths);
    let mut pages = client.tag_pages(&registry.repository("team/app"), &anonymous, 1000).unwrap();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        sizes.push(page.len());
    }
    assert_eq!(sizes, [3, 3, 3, 2]);
    let error = all_tags(&client, &registry.repository("team/app"), &anonymous, 10).await.unwrap_err();
    assert_eq!(error.class(), Class::Limit, "{error}");
    let error = all_tags(&client, &registry.repository("team/none"), &anonymous, 10).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn invalid_pages_are_an_error() {
    let list = r#"{"tags":["a","b"]}"#;
    let link = |target: &str| format!("<{target}>; rel=\"next\"");
    let cases: [(&str, Scripted, &str); 7] = [
        ("round", Scripted::ok("application/json", list).header("link", &link("list?n=500")), "loop"),
        ("away", Scripted::ok("application/json", list).header("link", &link("//evil.example/v2/x")), "host"),
        ("page", Scripted::ok("text/html", "<html>"), "not JSON"),
        ("other", Scripted::ok("application/json", r#"{"names":[]}"#), "no list"),
        ("numbers", Scripted::ok("application/json", r#"{"tags":[1]}"#), "not a string"),
        ("twice", Scripted::ok("application/json", r#"{"tags":[],"tags":[]}"#), "duplicate key"),
        ("large", Scripted::status(200).body(pullgate_test::registry::Body::Endless), "larger"),
    ];
    for (name, answer, message) in cases {
        let registry = Registry::start().await;
        registry.hook(move |_| Some(answer.clone()));
        let repository = registry.repository("team/app");
        let error = all_tags(&client(), &repository, &Credentials::anonymous(), 1000).await.unwrap_err();
        assert!(error.to_string().contains(message), "{name}: {error}");
        assert!(registry.requests().len() <= 2, "{name}: {:?}", registry.lines());
    }
}

#[tokio::test]
async fn endless_pages_are_bounded() {
    for list in [r#"{"tags":["a"]}"#, r#"{"tags":[]}"#, r#"{"tags":null}"#] {
        let registry = Registry::start().await;
        let count = std::sync::atomic::AtomicUsize::new(0);
        registry.hook(move |_| {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let link = format!("<list?page={number}>; rel=next");
            Some(Scripted::ok("application/json", list).header("link", &link))
        });
        let repository = registry.repository("team/app");
        let error = all_tags(&client(), &repository, &Credentials::anonymous(), 50).await.unwrap_err();
        assert_eq!(error.class(), Class::Limit, "{error}");
        assert_eq!(registry.requests().len(), 51);
    }
}

/// Names that are not valid are skipped, even if they would change the URL.
#[tokio::test]
async fn invalid_names_are_skipped() {
    let registry = Registry::start().await;
    registry.hook(|request| {
        let list = match request.uri.path() {
            "/v2/_catalog" => {
                r#"{"repositories":["good","../bad","UPPER","a b","","x?y","evil.example/x:1"]}"#
            }
            _ => r#"{"tags":["good","../bad","a/b","","a b","-x","x@sha256:00"]}"#,
        };
        Some(Scripted::ok("application/json", list))
    });
    let anonymous = Credentials::anonymous();
    let found = all_repositories(&client(), &registry.host(), &anonymous, 1000).await.unwrap();
    assert_eq!(found.iter().map(|it| it.path()).collect::<Vec<_>>(), ["good"]);
    assert_eq!(all_tags(&client(), &registry.repository("good"), &anonymous, 1000).await.unwrap(), ["good"]);
}

#[tokio::test]
async fn the_catalog_is_requested_with_its_own_scope() {
    let auth = Auth::bearer(Some("user:pg5ECRET"));
    let registry = Registry::with(Options { auth, ..Options::default() }).await;
    let credentials = Credentials::password("user", "pg5ECRET");
    // The fake registry grants access to repositories only; the requested scope is what counts.
    let _ = all_repositories(&client(), &registry.host(), &credentials, 10).await;
    let bodies: Vec<String> = registry
        .requests()
        .iter()
        .filter(|request| request.uri.path() == "/token")
        .map(|request| String::from_utf8_lossy(&request.body).into_owned())
        .collect();
    assert!(
        !bodies.is_empty() && bodies.iter().all(|body| body.contains("registry%3Acatalog%3A")),
        "{bodies:?}"
    );
}
