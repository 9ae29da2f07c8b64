//! Credentials and tokens, T106, T108, T109.

use pullgate::registry::{AuthConfig, Class, Credentials, Registry as Client, RegistrySettings};

use super::{anonymous, client};
use pullgate_test::registry::{Auth, Options, Recorded, Registry, Scripted};
use pullgate_test::secrets::Secret;

async fn with(auth: Auth) -> Registry {
    let registry = Registry::with(Options { auth, ..Options::default() }).await;
    registry.image("team/app", "1", "one");
    registry.image("team/other", "1", "one");
    registry
}

fn bearer(secret: Option<&str>, oauth: bool, expires_in: Option<i64>) -> Auth {
    Auth::Bearer { realm: None, secret: secret.map(Secret::from), oauth, expires_in }
}

fn tokens(registry: &Registry) -> Vec<Recorded> {
    registry.requests().into_iter().filter(|request| request.uri.path() == "/token").collect()
}

#[tokio::test]
async fn basic_credentials_are_sent_as_containerd_does() {
    let registry = with(Auth::basic("user", "pg5ECRET")).await;
    let client = client();
    for (credentials, class, requests) in [
        (Credentials::password("user", "pg5ECRET"), None, 2),
        // The credentials are sent at once if the host is known to require them.
        (Credentials::password("user", "pg5ECRET"), None, 1),
        (Credentials::password("user", "pg5ECRET-wrong"), Some(Class::Unauthorized), 2),
        (Credentials::password("user", ""), Some(Class::Unauthorized), 1),
        (Credentials::identity_token("pg5ECRET-none"), Some(Class::Unauthorized), 1),
        (anonymous(), Some(Class::Unauthorized), 1),
    ] {
        registry.forget_requests();
        let resolved = client.resolve(&registry.reference("team/app:1"), &credentials).await;
        assert_eq!(resolved.err().map(|error| error.class()), class);
        assert_eq!(registry.requests().len(), requests);
    }
}

#[tokio::test]
async fn bearer_in_all_its_forms() {
    let user = || Credentials::password("user", "pg5ECRET");
    for (auth, credentials, methods, body) in [
        (bearer(None, true, None), anonymous(), &["GET"][..], ""),
        (bearer(Some("user:pg5ECRET"), true, None), user(), &["POST"], "grant_type=password"),
        (bearer(Some("user:pg5ECRET"), false, None), user(), &["POST", "GET"], "grant_type=password"),
        (
            bearer(Some("pg5ECRET-identity"), true, None),
            Credentials::identity_token("pg5ECRET-identity"),
            &["POST"],
            "grant_type=refresh_token&refresh_token=pg5ECRET-identity",
        ),
    ] {
        let registry = with(auth).await;
        client().resolve(&registry.reference("team/app:1"), &credentials).await.unwrap();
        let sent = tokens(&registry);
        let found: Vec<_> = sent.iter().map(|request| request.method.as_str()).collect();
        assert_eq!(found, methods);
        let form = String::from_utf8_lossy(&sent[0].body).into_owned();
        assert!(form.contains(body), "{form}");
        if methods == ["POST"] {
            assert!(form.contains("client_id=containerd-client") && form.contains("service=test"), "{form}");
            assert!(form.contains("scope=repository%3Ateam%2Fapp%3Apull"), "{form}");
        }
    }
    let registry = with(bearer(Some("user:pg5ECRET"), true, None)).await;
    for credentials in [anonymous(), Credentials::password("user", "pg5ECRET-wrong")] {
        let error = client().resolve(&registry.reference("team/app:1"), &credentials).await.unwrap_err();
        assert_eq!(error.class(), Class::Unauthorized, "{error}");
    }
}

#[tokio::test]
async fn tokens_are_reused_only_for_the_same_credentials_and_repository() {
    let registry = with(bearer(None, true, Some(300))).await;
    let client = client();
    let user = || Credentials::password("user", "pg5ECRET");
    for (reference, credentials, fetched) in [
        ("team/app:1", user(), 1),
        ("team/app:1", user(), 0),
        ("team/other:1", user(), 1),
        ("team/app:1", Credentials::password("user", "pg5ECRET-other"), 1),
        ("team/app:1", Credentials::password("userp", "g5ECRET"), 1),
        ("team/app:1", Credentials::identity_token("pg5ECRET"), 1),
        ("team/app:1", anonymous(), 1),
        ("team/app:1", user(), 0),
    ] {
        registry.forget_requests();
        client.resolve(&registry.reference(reference), &credentials).await.unwrap();
        assert_eq!(tokens(&registry).len(), fetched, "{reference}");
    }
}

#[tokio::test]
async fn concurrent_requests_share_one_token() {
    let registry = with(bearer(None, true, Some(300))).await;
    let client = client();
    let digest = registry.image("team/app", "1", "one");
    let collected = client.attachments(&registry.repository("team/app"), &digest, &anonymous()).await;
    assert!(collected.problems.is_empty(), "{:?}", collected.problems);
    assert_eq!(tokens(&registry).len(), 1);
}

#[tokio::test]
async fn t108_tokens_expire_as_stated() {
    for (expires_in, fetched) in [(Some(300), 0), (None, 0), (Some(0), 0), (Some(-5), 0), (Some(i64::MAX), 0)]
    {
        let registry = with(bearer(None, true, expires_in)).await;
        let client = client();
        client.resolve(&registry.reference("team/app:1"), &anonymous()).await.unwrap();
        registry.forget_requests();
        client.resolve(&registry.reference("team/app:1"), &anonymous()).await.unwrap();
        assert_eq!(tokens(&registry).len(), fetched, "{expires_in:?}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let registry = with(bearer(None, true, Some(300))).await;
    let client = client();
    client.resolve(&registry.reference("team/app:1"), &anonymous()).await.unwrap();
    // The registry forgot its tokens.
    registry.hook(|request| {
        (request.header("authorization") == Some("Bearer pg5ECRET-token-0"))
            .then(|| Scripted::status(401).header("www-authenticate", &challenge(request)))
    });
    fn challenge(request: &Recorded) -> String {
        format!("Bearer realm=\"http://{}/token\",service=\"test\"", request.header("host").unwrap())
    }
    registry.forget_requests();
    client.resolve(&registry.reference("team/app:1"), &anonymous()).await.unwrap();
    assert_eq!(registry.requests().len(), 3);
    // A registry that refuses every token gets only two requests.
    registry.hook(|request| {
        (request.uri.path() != "/token")
            .then(|| Scripted::status(401).header("www-authenticate", &challenge(request)))
    });
    registry.forget_requests();
    let error = client.resolve(&registry.reference("team/app:1"), &anonymous()).await.unwrap_err();
    assert_eq!(error.class(), Class::Unauthorized);
    assert_eq!(registry.requests().len(), 3);
}

#[tokio::test]
async fn t106_credentials_go_to_no_other_realm() {
    let elsewhere = Registry::start().await;
    let reply = || Scripted::ok("application/json", "{\"token\":\"t\"}");
    elsewhere.hook(move |_| Some(reply()));
    let port = elsewhere.port();
    for realm in [
        format!("http://localhost:{port}/token"),
        format!("http://127.0.0.2:{port}/token"),
        "http://169.254.169.254/token".to_owned(),
        "http://evil.example/token".to_owned(),
        "https://evil.example/token".to_owned(),
        format!("http://user@127.0.0.1:{port}/token"),
        "not a url".to_owned(),
        String::new(),
    ] {
        let registry =
            with(Auth::Bearer { realm: Some(realm.clone()), secret: None, oauth: true, expires_in: None })
                .await;
        let credentials = Credentials::password("user", "pg5ECRET");
        let error = client().resolve(&registry.reference("team/app:1"), &credentials).await.unwrap_err();
        assert_eq!(error.code(), "registry-realm", "{realm} {error}");
        assert_eq!(error.class(), Class::Unauthorized);
    }
    assert!(elsewhere.requests().is_empty());
    // The same loopback host may have its token service on another port.
    let realm = format!("http://127.0.0.1:{port}/token");
    let registry =
        with(Auth::Bearer { realm: Some(realm), secret: None, oauth: true, expires_in: None }).await;
    let _ =
        client().resolve(&registry.reference("team/app:1"), &Credentials::password("user", "pg5ECRET")).await;
    assert_eq!(elsewhere.requests().len(), 1);
}

#[tokio::test]
async fn t108_answers_of_a_token_service_are_bounded() {
    let registry = with(bearer(None, true, None)).await;
    let token = |text: &str| Scripted::ok("application/json", text.to_owned());
    let huge = format!("{{\"token\":\"{}\"}}", "x".repeat(70 << 10));
    for (answer, code) in [
        (token(&huge), "registry-token-too-large"),
        (token("{}"), "registry-token"),
        (token("{\"token\":5}"), "registry-token"),
        (token("{\"token\":\"\"}"), "registry-token"),
        (token("{\"token\":\"a\\nb\"}"), "registry-token"),
        (token("<html>"), "registry-token"),
        (Scripted::status(500), "registry-token"),
        (Scripted::status(401), "registry-unauthorized"),
        (Scripted::redirect("http://127.0.0.1:1/"), "registry-redirect"),
    ] {
        registry.hook(move |request| (request.uri.path() == "/token").then(|| answer.clone()));
        let error = client().resolve(&registry.reference("team/app:1"), &anonymous()).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
}

#[tokio::test]
async fn t109_credentials_for_another_server_are_not_sent() {
    let registry = with(Auth::basic("user", "pg5ECRET")).await;
    for (server, admitted) in [
        (String::new(), true),
        (format!("http://{}/v2/", registry.host()), true),
        ("https://other.example".to_owned(), false),
        (registry.host(), false),
    ] {
        registry.forget_requests();
        let credentials = Credentials::from_auth_config(AuthConfig {
            username: "user".to_owned(),
            password: "pg5ECRET".to_owned(),
            server_address: server.clone(),
            ..AuthConfig::default()
        });
        let resolved = client().resolve(&registry.reference("team/app:1"), &credentials).await;
        assert_eq!(resolved.is_ok(), admitted, "{server}");
        let shown = registry.requests().iter().any(|request| request.header("authorization").is_some());
        assert_eq!(shown, admitted, "{server}");
    }
}

#[tokio::test]
async fn t110_no_error_or_debug_text_shows_a_secret() {
    let registry = with(bearer(Some("user:pg5ECRET-nobody"), true, None)).await;
    let client = Client::new(RegistrySettings::default()).unwrap();
    let credentials = Credentials::password("marked-user", "pg5ECRET-listed");
    let error = client.resolve(&registry.reference("team/app:1"), &credentials).await.unwrap_err();
    let text = format!("{error} {error:?} {credentials:?} {client:?}");
    assert!(!text.contains("marked-") && !text.contains("pg5ECRET"), "{text}");
    assert!(!text.contains("token-0"), "{text}");
}

/// Answers of registries to a token that is not valid any more; none has a challenge.
fn rejections() -> [Scripted; 3] {
    [
        Scripted::status(400),
        Scripted::status(401),
        Scripted::status(401).header("www-authenticate", "Negotiate"),
    ]
}

#[tokio::test]
async fn b15_a_token_that_ends_early_is_replaced_once() {
    for rejection in rejections() {
        let registry = with(bearer(None, true, Some(300))).await;
        let client = client();
        client.resolve(&registry.reference("team/app:1"), &anonymous()).await.unwrap();
        let answer = rejection.clone();
        registry.hook(move |request| {
            (request.header("authorization") == Some("Bearer pg5ECRET-token-0")).then(|| answer.clone())
        });
        registry.forget_requests();
        for requests in [3, 1] {
            client.resolve(&registry.reference("team/app:1"), &anonymous()).await.unwrap();
            assert_eq!(registry.requests().len(), requests, "{rejection:?}: {:?}", registry.lines());
            registry.forget_requests();
        }
    }
}

#[tokio::test]
async fn b15_a_registry_that_rejects_the_new_token_too_gets_no_more_of_them() {
    for rejection in rejections() {
        let registry = with(bearer(None, true, Some(300))).await;
        let client = client();
        client.resolve(&registry.reference("team/app:1"), &anonymous()).await.unwrap();
        let (status, answer) = (rejection.status, rejection.clone());
        registry.hook(move |request| (request.uri.path() != "/token").then(|| answer.clone()));
        registry.forget_requests();
        let mut messages = Vec::new();
        for (all, fetched) in [(3, 1), (1, 0)] {
            let error = client.resolve(&registry.reference("team/app:1"), &anonymous()).await.unwrap_err();
            let code = if status == 400 { "registry-status" } else { "registry-unauthorized" };
            assert_eq!(error.code(), code, "{error}");
            assert_eq!((registry.requests().len(), tokens(&registry).len()), (all, fetched), "{rejection:?}");
            registry.forget_requests();
            messages.push(error.to_string());
        }
        assert_eq!(messages[0], messages[1]);
    }
    // A refusal of credentials is none of a token.
    let registry = with(Auth::basic("user", "pg5ECRET")).await;
    let client = client();
    let user = Credentials::password("user", "pg5ECRET");
    client.resolve(&registry.reference("team/app:1"), &user).await.unwrap();
    registry.hook(|_| Some(Scripted::status(400)));
    registry.forget_requests();
    client.resolve(&registry.reference("team/app:1"), &user).await.unwrap_err();
    assert_eq!(registry.requests().len(), 1);
}

#[tokio::test]
async fn b15_any_stated_lifetime_costs_one_token() {
    for expires_in in ["\"300\"", "\"soon\"", "\"-1\"", "-5", "0", "3", "1.5", "{}", "1e300"] {
        let registry = with(bearer(None, true, None)).await;
        let client = client();
        let digest = registry.image("team/app", "1", "one");
        registry.hook(move |request| {
            let granted = request.header("authorization") == Some("Bearer pg5ECRET-long");
            match request.uri.path() {
                "/token" => {
                    let body = format!("{{\"token\":\"pg5ECRET-long\",\"expires_in\":{expires_in}}}");
                    Some(Scripted::ok("application/json", body))
                }
                path if granted && path.ends_with("/manifests/1") => None,
                _ if granted => Some(Scripted::status(404)),
                _ => None,
            }
        });
        let challenges = registry.requests().len();
        let collected = client.attachments(&registry.repository("team/app"), &digest, &anonymous()).await;
        assert!(collected.problems.is_empty(), "{expires_in}: {:?}", collected.problems);
        assert_eq!((challenges, tokens(&registry).len()), (0, 1), "{expires_in}: {:?}", registry.lines());
    }
}
