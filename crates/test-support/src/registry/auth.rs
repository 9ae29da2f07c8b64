//! Authentication at the registry, and its token service at `/token`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;

use super::{Recorded, Scripted, State};
use crate::secrets::{MARK, Secret};

/// The authentication that a registry requires.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    #[default]
    Nothing,
    Basic {
        username: String,
        password: Secret,
    },
    Bearer {
        /// The URL of the token service; `None`: this registry.
        realm: Option<String>,
        /// `user:password`, or an identity token without a colon; `None`: everyone gets a token.
        secret: Option<Secret>,
        /// Whether the token service supports OAuth 2.
        oauth: bool,
        /// The field expires_in.
        expires_in: Option<i64>,
    },
}

impl Auth {
    pub fn basic(username: &str, password: impl Into<Secret>) -> Self {
        Self::Basic { username: username.to_owned(), password: password.into() }
    }

    pub fn bearer(secret: Option<&str>) -> Self {
        Self::Bearer { realm: None, secret: secret.map(Secret::from), oauth: true, expires_in: Some(300) }
    }
}

impl State {
    /// A response of the token service, or a refusal; `None` lets the request through.
    pub(super) fn auth(&self, request: &Recorded) -> Option<Scripted> {
        let shown = request.header("authorization").unwrap_or_default();
        match &self.options.auth {
            Auth::Nothing => None,
            Auth::Basic { username, password } => {
                let expected =
                    format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.as_str())));
                (shown != expected)
                    .then(|| Scripted::status(401).header("www-authenticate", "Basic realm=\"test\""))
            }
            Auth::Bearer { realm, secret, oauth, expires_in } => {
                if request.uri.path() == "/token" {
                    return Some(self.token(
                        request,
                        secret.as_ref().map(Secret::as_str),
                        *oauth,
                        *expires_in,
                    ));
                }
                let path = request.uri.path().trim_start_matches("/v2/");
                let name =
                    path.split(['/']).take_while(|part| !KINDS.contains(part)).collect::<Vec<_>>().join("/");
                let action =
                    if matches!(request.method, Method::GET | Method::HEAD) { "pull" } else { "push" };
                let granted = shown
                    .strip_prefix("Bearer ")
                    .and_then(|token| self.tokens.lock().unwrap().get(token).cloned())
                    .is_some_and(|scope| {
                        scope.split(' ').any(|scope| {
                            scope.rsplit_once(':').is_some_and(|(prefix, actions)| {
                                prefix == format!("repository:{name}")
                                    && actions.split(',').any(|granted| granted == action)
                            })
                        })
                    });
                if granted {
                    return None;
                }
                let scheme = if self.options.tls.is_some() { "https" } else { "http" };
                let own = format!("{scheme}://{}/token", self.address);
                let realm = realm.as_deref().unwrap_or(&own);
                let challenge =
                    format!("Bearer realm=\"{realm}\",service=\"test\",scope=\"repository:{name}:{action}\"");
                Some(Scripted::status(401).header("www-authenticate", &challenge))
            }
        }
    }

    fn token(
        &self,
        request: &Recorded,
        secret: Option<&str>,
        oauth: bool,
        expires_in: Option<i64>,
    ) -> Scripted {
        let form = request.method == Method::POST;
        if form && !oauth {
            return Scripted::status(404);
        }
        let fields = if form {
            String::from_utf8_lossy(&request.body).into_owned()
        } else {
            request.uri.query().unwrap_or_default().to_owned()
        };
        let url = format!("http://x/?{fields}");
        let url = reqwest::Url::parse(&url).unwrap();
        let all = |name: &str| -> Vec<String> {
            url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).collect()
        };
        let one = |name: &str| all(name).pop().unwrap_or_default();
        let shown = match (form, one("grant_type").as_str()) {
            (true, "password") => format!("{}:{}", one("username"), one("password")),
            (true, _) => one("refresh_token"),
            (false, _) => request
                .header("authorization")
                .and_then(|text| text.strip_prefix("Basic "))
                .and_then(|text| STANDARD.decode(text).ok())
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .unwrap_or_default(),
        };
        if secret.is_some_and(|secret| secret != shown) {
            return Scripted::status(401);
        }
        let mut tokens = self.tokens.lock().unwrap();
        let token = format!("{MARK}-token-{}", tokens.len());
        tokens.insert(token.clone(), all("scope").join(" "));
        let mut body = json!({ if form { "access_token" } else { "token" }: token });
        if let Some(seconds) = expires_in {
            body["expires_in"] = json!(seconds);
        }
        Scripted::ok("application/json", body.to_string())
    }
}

const KINDS: [&str; 3] = ["manifests", "blobs", "referrers"];
