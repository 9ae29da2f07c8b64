//! Hosts of registries and services, as options name them.

use super::super::document::{Document, Value};
use pullgate_config::kind::{Form, OptionKind};
use pullgate_config::values::is_host;

/// A host, perhaps with a port.
pub(super) const HOST: Form<String> = Form { kind: OptionKind::Text, bounds: "a host", read: read_host };

fn read_host(document: &mut Document<'_>, key: &str, value: Value<'_>) -> Option<String> {
    let hint = "write it as `registry.example.com`, or with its port, without `https://` and without `*`";
    document.parsed(key, value, ["is not a host name", hint], |text| is_host(text).then(|| text.to_owned()))
}
