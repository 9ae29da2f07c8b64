//! kubelet's `CredentialProviderConfig`: the programs that print credentials of registries.

use std::time::Duration;

use pullgate::config::load_daemon_text;
use pullgate::registry::{CredentialProgram, CredentialProtocol};
use pullgate_import::{self as import, ConfigPart, Effect};

const HEAD: &str = "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\n";

fn imported(text: &str) -> ConfigPart {
    import::credential_providers(text, "/opt/providers/").unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn programs(part: &ConfigPart) -> Vec<CredentialProgram> {
    load_daemon_text(&part.text)
        .unwrap_or_else(|problems| panic!("{problems}\n{}", part.text))
        .registry
        .keyring
        .programs
}

#[test]
fn providers_of_clouds_become_programs() {
    // As on EKS (JSON), GKE and AKS.
    let eks = r#"{
        "apiVersion": "kubelet.config.k8s.io/v1", "kind": "CredentialProviderConfig",
        "providers": [{
            "name": "ecr-credential-provider", "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
            "matchImages": ["*.dkr.ecr.*.amazonaws.com", "public.ecr.aws"], "defaultCacheDuration": "12h0m0s",
            "args": null, "env": [{ "name": "AWS_REGION", "value": "eu-west-1" }]
        }]
    }"#;
    let yaml = format!(
        "{HEAD}providers:\n\
         - name: auth-provider-gcp\n  apiVersion: credentialprovider.kubelet.k8s.io/v1beta1\n  \
           matchImages: [gcr.io, \"*.pkg.dev\"]\n  defaultCacheDuration: 1m\n  args: [get-credentials, --v=3]\n\
         - name: acr-credential-provider\n  apiVersion: credentialprovider.kubelet.k8s.io/v1\n  \
           matchImages: [\"*.azurecr.io\"]\n  defaultCacheDuration: 720h\n  args: [/etc/kubernetes/azure.json]\n  \
           tokenAttributes: {{ serviceAccountTokenAudience: a, requireServiceAccount: false, cacheType: Token }}\n"
    );
    let mut all = programs(&imported(eks));
    all.extend(programs(&imported(&yaml)));
    let shown: Vec<_> = all
        .iter()
        .map(|program| {
            let name = program.command.to_str().unwrap();
            (
                name,
                program.arguments.join(" "),
                program.images.len(),
                program.cache_duration,
                program.protocol,
            )
        })
        .collect();
    let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
    let (v1, beta) = (CredentialProtocol::Kubelet("v1"), CredentialProtocol::Kubelet("v1beta1"));
    assert_eq!(
        shown,
        [
            ("/opt/providers/ecr-credential-provider", String::new(), 2, 12 * hour, v1),
            ("/opt/providers/auth-provider-gcp", "get-credentials --v=3".to_owned(), 2, minute, beta),
            (
                "/opt/providers/acr-credential-provider",
                "/etc/kubernetes/azure.json".to_owned(),
                1,
                24 * hour,
                v1
            ),
        ]
    );
    assert_eq!(all[0].environment.0, [("AWS_REGION".to_owned(), "eu-west-1".to_owned())]);
    assert!(imported(&yaml).notes.is_empty());
}

#[test]
fn a_provider_that_needs_a_pod_is_left_out_with_a_note() {
    let text = format!(
        "{HEAD}providers:\n- name: irsa\n  apiVersion: credentialprovider.kubelet.k8s.io/v1\n  matchImages: [r.example]\n  \
         defaultCacheDuration: 0s\n  tokenAttributes: {{ serviceAccountTokenAudience: a, requireServiceAccount: true }}\n"
    );
    let part = imported(&text);
    assert!(programs(&part).is_empty());
    let notes: Vec<_> = part.notes.iter().map(|note| (note.effect, note.subject.as_str())).collect();
    assert_eq!(notes, [(Effect::Stricter, "provider \"irsa\"")]);
}

#[test]
fn refuses_what_kubelet_does_not_start_with() {
    let provider = |fields: &str| format!("{HEAD}providers:\n- {{ {fields} }}\n");
    let good = "name: a, apiVersion: credentialprovider.kubelet.k8s.io/v1, matchImages: [a.example], defaultCacheDuration: 1m";
    imported(&provider(good));
    for text in [
        String::new(),
        "[]".to_owned(),
        HEAD.to_owned(),
        provider(good).replace("kind: CredentialProviderConfig", "kind: KubeletConfiguration"),
        provider(good).replace("kubelet.config.k8s.io/v1", "v1"),
        provider(&good.replace("name: a,", "name: ../a,")),
        provider(&good.replace("name: a,", "")),
        provider(&good.replace("k8s.io/v1", "k8s.io/v2")),
        provider(&good.replace("[a.example]", "[]")),
        provider(&good.replace("1m", "soon")),
        provider(&format!("{good}, other: 1")),
        format!("{}- {{ {good} }}\n", provider(good)),
    ] {
        assert!(import::credential_providers(&text, "/opt").is_err(), "{text}");
    }
}
