//! A line of the registry's access log.

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
