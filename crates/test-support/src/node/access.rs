//! Parses the registry's logs.

use jiff::Timestamp;
use serde_json::Value;

/// One request, from the combined log format: `host - - [time] "GET /path HTTP/1.1" 200 123 "referer" "user agent"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub method: String,
    pub path: String,
    pub status: u16,
    pub user_agent: String,
}

impl Access {
    pub fn parse(line: &str) -> Option<Self> {
        let mut quoted = line.split('"');
        let (_, request, result) = (quoted.next()?, quoted.next()?, quoted.next()?);
        let (_referer, _, user_agent) = (quoted.next()?, quoted.next()?, quoted.next()?);
        let mut request = request.split(' ');
        Some(Self {
            method: request.next()?.to_owned(),
            path: request.next()?.to_owned(),
            status: result.split_whitespace().next()?.parse().ok()?,
            user_agent: user_agent.to_owned(),
        })
    }

    pub fn is_by_containerd(&self) -> bool {
        self.user_agent.contains("containerd")
    }

    pub fn is_for_blob(&self) -> bool {
        self.path.contains("/blobs/")
    }
}

/// One request in the registry's application log, whose times order requests across several registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub time: Timestamp,
    pub method: String,
    /// Path with query.
    pub uri: String,
    pub user_agent: String,
}

impl Asked {
    pub fn parse(line: &str) -> Option<Self> {
        let record: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| record[name].as_str().map(str::to_owned);
        let message = text("msg")?;
        // There is a record before the response only with authentication.
        let of_request = ["authorized request", "error authorizing", "response completed"];
        let begins = of_request.iter().any(|beginning| message.starts_with(beginning));
        Some(Self {
            time: text("time")?.parse().ok()?,
            method: text("http.request.method")?,
            uri: text("http.request.uri")?,
            user_agent: text("http.request.useragent").unwrap_or_default(),
        })
        .filter(|_| begins)
    }

    pub fn is_by_containerd(&self) -> bool {
        self.user_agent.contains("containerd")
    }
}
