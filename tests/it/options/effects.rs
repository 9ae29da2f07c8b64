//! The test of each option: the option changes the outcome there.

use std::collections::BTreeSet;

use pullgate_config::kind::OptionKind;
use pullgate_config::options::OptionDoc;

use super::attestations as of_attestations;
use super::policy as of_policy;
use super::settings;
use crate::{
    attacks, connections, elsewhere, follow, forward, gates, keys, ledger, options, pull, report, signer,
    trust,
};

#[path = "../../node/effects.rs"]
mod node;

/// The file, the test, and the options that change its outcome.
type Effects = &'static [(&'static str, fn(), &'static [&'static str])];

#[rustfmt::skip]
const EFFECTS: Effects = &[
    ("pullgate.toml", options::connection_time_is_limited, &[
        "[registry] hosts",
        "[limits] connect-timeout",
    ]),
    ("pullgate.toml", attacks::sources::a_mirror_is_tried_before_the_origin, &["[registry] containerd-config"]),
    ("pullgate.toml", options::only_listed_token_services_are_contacted, &["[registry] token-services"]),
    ("pullgate.toml", options::a_signature_is_waited_for_if_configured, &["[registry] wait-for-signature"]),
    ("pullgate.toml", attacks::credentials::operator_credentials_are_used_only_for_their_host_and_pulls_without_credentials, &[
        "[registry] docker-config",
        "[registry] credential.host",
        "[registry] credential.username",
        "[registry] credential.password-file",
    ]),
    ("pullgate.toml", attacks::credentials::t107_cloud_passwords_go_only_to_configured_hosts, &[
        "[registry] acr.instance",
        "[registry] acr.region",
        "[registry] acr.hosts",
        "[registry] acr.ram-role",
        "[registry] acr.endpoint",
    ]),
    ("pullgate.toml", attacks::credentials::acr_accepts_an_access_key_and_reports_a_wrong_one, &[
        "[registry] acr.access-key-id",
        "[registry] acr.access-key-secret-file",
    ]),
    ("pullgate.toml", options::programs::a_credential_provider_opens_the_registries_that_it_is_for, &[
        "[registry] credential-provider.command",
        "[registry] credential-provider.match-images",
    ]),
    ("pullgate.toml", options::programs::a_program_gets_its_own_arguments_and_environment, &[
        "[registry] credential-provider.args",
        "[registry] credential-provider.environment",
        "[registry] credential-provider.api-version",
        "[registry] credential-helper.environment",
    ]),
    ("pullgate.toml", options::programs::credentials_are_cached_as_the_program_says, &[
        "[registry] credential-provider.default-cache-duration",
        "[registry] credential-helper.cache-duration",
    ]),
    ("pullgate.toml", options::programs::a_program_that_does_not_end_is_killed_with_what_it_started, &[
        "[registry] credential-provider.timeout",
        "[registry] credential-helper.timeout",
    ]),
    ("pullgate.toml", options::programs::a_credential_helper_returns_a_password_or_an_identity_token, &[
        "[registry] credential-helper.command",
        "[registry] credential-helper.hosts",
    ]),
    ("pullgate.toml", attacks::sources::signatures_in_another_repository_are_found, &[
        "[registry] signatures.scope",
        "[registry] signatures.image",
        "[registry] signatures.repository",
    ]),
    ("pullgate.toml", attacks::gpg::t147_a_lookaside_server_gets_few_requests_and_no_credentials, &[
        "[registry] signatures.lookaside",
    ]),
    ("pullgate.toml", attacks::attestor::t150_grafeas_gets_few_requests_and_only_its_own_token, &[
        "[registry] signatures.grafeas",
        "[registry] signatures.grafeas-token",
    ]),
    ("pullgate.toml", attacks::sources::signatures_in_a_directory_are_found, &["[registry] signatures.directory"]),
    ("pullgate.toml", connections::a6_the_number_of_connections_is_an_option, &["[limits] connections"]),
    ("pullgate.toml", forward::b17_unknown_methods_that_may_bring_an_image_cross_only_if_allowed, &[
        "[gate] unknown-methods",
    ]),
    ("pullgate.toml", gates::checkpoints_are_restored_only_if_allowed, &["[gate] checkpoint-restore"]),
    ("pullgate.toml", pull::a_pulled_image_is_reported_and_created, &["[gate] pin-user-specified-image"]),
    ("pullgate.toml", ledger::disk::the_limits_of_the_ledger_decide_what_is_admitted_offline, &["[ledger] max-entries"]),
    ("pullgate.toml", ledger::disk::the_oldest_evidence_is_removed_above_the_limit, &["[ledger] max-bytes"]),
    ("pullgate.toml", report::without_a_record_nothing_is_written, &["[report] enabled"]),
    ("pullgate.toml", report::the_number_of_rows_is_limited_and_the_report_says_what_is_missing, &["[report] max-rows"]),
    ("pullgate.toml", report::decisions_are_kept_for_a_time, &["[report] keep"]),
    ("pullgate.toml", report::a_killed_daemon_loses_what_it_has_not_written_yet, &["[report] interval"]),
    ("pullgate.toml", elsewhere::daemon::commands_report_missing_keys_and_fetch_them, &["[keys] directory"]),
    ("pullgate.toml", elsewhere::daemon::a_fetch_fails_after_its_timeout, &["[keys] fetch-timeout"]),
    ("pullgate.toml", elsewhere::daemon::serves_without_a_policy_until_its_keys_are_fetched_then_starts_offline, &[
        "[keys] fetch-retry-interval",
        "[keys] kms.access-key-id",
        "[keys] kms.access-key-secret-file",
    ]),
    ("pullgate.toml", options::sizes_and_counts_are_limited, &[
        "[limits] manifest-bytes",
        "[limits] signature-max-size",
        "[limits] signatures",
        "[limits] referrers",
        "[limits] signatures-total-size",
        "[limits] referrer-pages",
        "[limits] redirects",
        "[limits] header-bytes",
        "[limits] token-bytes",
    ]),
    ("pullgate.toml", options::pull_and_request_times_are_limited, &[
        "[limits] pull-timeout",
        "[limits] request-timeout",
    ]),
    ("pullgate.toml", options::the_wait_for_a_tag_record_is_limited, &["[limits] tag-record-timeout"]),
    ("pullgate.toml", options::concurrency_is_limited, &[
        "[limits] concurrent-pulls",
        "[limits] max-requests-per-host",
    ]),
    ("pullgate.toml", options::retries_of_a_busy_registry_are_limited, &[
        "[limits] retries",
        "[limits] retry-wait",
    ]),
    ("pullgate.toml", options::a_missing_signature_is_cached_for_the_ttl, &["[limits] negative-cache-ttl"]),
    ("pullgate.toml", options::the_wait_for_a_permit_is_limited, &["[limits] queue-timeout"]),
    ("pullgate.toml", options::the_cooldown_of_a_host_is_limited, &["[limits] max-retry-after"]),
    ("pullgate.toml", options::the_memory_for_documents_is_limited, &["[limits] memory"]),
    ("pullgate.toml", settings::what_is_set_for_key_services_of_the_node_is_used, &[
        "[keys] authorities",
        "[keys] kms.ram-role",
        "[keys] kms.credentials-file",
        "[keys] kms.profile",
        "[keys] kms.assume-role",
        "[keys] kms.external-id",
        "[keys] kms.sts",
        "[keys] vault.address",
        "[keys] vault.namespace",
        "[keys] vault.token-file",
        "[keys] vault.role-id",
        "[keys] vault.secret-id-file",
        "[keys] vault.mount",
    ]),
    ("pullgate.toml", trust::trusted_roots_are_fetched_as_configured, &[
        "[trust] directory",
        "[trust] authorities",
        "[trust] repository.name",
        "[trust] repository.url",
        "[trust] repository.targets-url",
        "[trust] repository.root",
        "[trust] repository.target",
    ]),
    ("pullgate.toml", follow::serving::a_pushed_policy_rules_and_outlives_its_registry, &["[follow] policy"]),
    ("pullgate.toml", follow::serving::a_policy_that_does_not_load_changes_nothing, &["[follow] interval"]),
    ("pullgate.toml", follow::serving::a_deny_list_counts_within_its_interval_also_on_cached_verdicts, &[
        "[follow] deny-list-interval",
    ]),
    ("pullgate.toml", follow::serving::what_is_not_refreshed_is_frozen_and_stays_in_force, &["[follow] frozen-after"]),
    ("pullgate.toml", follow::options::a_node_takes_what_its_key_signed_from_its_reference_for_its_labels, &[
        "[follow] keys",
        "[follow] labels",
    ]),
    ("pullgate.toml", follow::options::an_identity_can_sign_instead_of_a_key, &[
        "[follow] issuer",
        "[follow] subject",
        "[follow] trust-root",
    ]),
    ("pullgate.toml", follow::options::a_deny_list_is_followed_by_its_own_reference, &[
        "[follow] deny-list",
        "[follow] directory",
    ]),
    ("pullgate.toml", trust::the_notice_before_the_end_of_a_root_is_an_option, &["[trust] notice"]),
    ("policy.toml", of_policy::rules_and_defaults, &[
        "[[namespace]] layouts",
        "[[namespace]] identity",
        "default",
        "default-reason",
        "[[namespace]] scope",
        "[[namespace]] pods",
        "[[namespace]] require.all",
        "[[namespace]] require.any",
        "[[namespace]] require.at-least",
        "[[namespace]] require.of",
        "[[namespace]] require.annotations",
        "[[namespace]] allow",
        "[[namespace]] deny",
        "[[namespace]] digests",
        "[[namespace]] until",
        "[[namespace]] aliases",
        "[[namespace]] mode",
        "[deny] digests.digest",
        "[deny] keys.key",
    ]),
    ("policy.toml", of_policy::authenticators_and_their_keys, &[
        "[authenticator.NAME] type",
        "[authenticator.NAME] algorithm",
        "[authenticator.NAME] salt-length",
        "[authenticator.NAME] keys.file",
        "[authenticator.NAME] keys.pem",
        "[authenticator.NAME] keys.algorithm",
        "[authenticator.NAME] keys.salt-length",
        "[authenticator.NAME] keys.not-before",
        "[authenticator.NAME] keys.not-after",
    ]),
    ("policy.toml", of_policy::keyless_authenticators, &[
        "[authenticator.NAME] trust-root",
        "[authenticator.NAME] issuer",
        "[authenticator.NAME] subject",
        "[authenticator.NAME] workflow",
        "[authenticator.NAME] runner",
        "[authenticator.NAME] source-repository",
        "[authenticator.NAME] source-ref",
        "[authenticator.NAME] source-repository-id",
        "[authenticator.NAME] source-repository-owner-id",
        "[authenticator.NAME] build-config",
        "[authenticator.NAME] trigger",
        "[authenticator.NAME] log",
    ]),
    ("policy.toml", of_policy::authenticators_of_the_notary_project, &[
        "[authenticator.NAME] ca",
        "[authenticator.NAME] signing-authority",
        "[authenticator.NAME] tsa",
        "[authenticator.NAME] identities",
        "[authenticator.NAME] timestamps",
        "[authenticator.NAME] crl",
        "[authenticator.NAME] distribution-points",
        "[authenticator.NAME] revocation",
        "[authenticator.NAME] level",
    ]),
    ("policy.toml", of_attestations::conditions_and_their_defaults, &[
        "[attestation.NAME] type",
        "[attestation.NAME] by",
        "[attestation.NAME] max-age",
        "[attestation.NAME] fields",
        "[attestation.NAME] builder",
        "[attestation.NAME] source-repository",
        "[attestation.NAME] source-ref",
        "[attestation.NAME] build-type",
        "[attestation.NAME] max-severity",
        "[attestation.NAME] except",
        "[attestation.NAME] formats",
        "[attestation.NAME] verifier",
        "[attestation.NAME] resource",
        "[attestation.NAME] levels",
        "[attestation.NAME] predicate-type",
        "[attestation.NAME] time",
        "[[namespace]] require.attestations",
    ]),
    ("pullgate.toml", of_attestations::the_size_of_attestations_is_limited, &["[limits] attestation-max-size"]),
    ("policy.toml", of_policy::authenticators_of_openpgp_keys, &[
        "[authenticator.NAME] keyrings",
        "[authenticator.NAME] armored",
        "[authenticator.NAME] fingerprints",
    ]),
    ("policy.toml", of_policy::authenticators_of_a_private_pki, &[
        "[authenticator.NAME] intermediates",
        "[authenticator.NAME] names",
    ]),
    ("policy.toml", elsewhere::confirmed::the_key_service_decides_if_confirmation_is_required, &[
        "[authenticator.NAME] verify",
        "[authenticator.NAME] keys.verify",
    ]),
    ("policy.toml", elsewhere::confirmed::remote_timeout_limits_the_wait_for_an_answer, &[
        "[authenticator.NAME] remote-timeout",
        "[authenticator.NAME] keys.remote-timeout",
    ]),
    ("policy.toml", elsewhere::confirmed::remote_rate_limits_the_requests, &[
        "[authenticator.NAME] remote-rate",
        "[authenticator.NAME] keys.remote-rate",
    ]),
    ("policy.toml", elsewhere::confirmed::a_confirmation_is_cached_for_its_ttl, &[
        "[authenticator.NAME] remote-cache-ttl",
        "[authenticator.NAME] keys.remote-cache-ttl",
    ]),
    ("policy.toml", elsewhere::pinned::a_key_is_fetched_once_and_then_used_offline, &["[authenticator.NAME] keys.source"]),
    ("policy.toml", elsewhere::pinned::a_replaced_key_with_the_same_version_is_refused_and_reported, &["[authenticator.NAME] keys.fingerprint"]),
    ("policy.toml", pull::rules::accept_decides_what_must_be_signed_and_is_pulled, &["[[namespace]] accept"]),
    ("policy.toml", settings::a_reason_is_needed, &[
        "[[namespace]] reason",
        "[deny] digests.reason",
        "[deny] keys.reason",
    ]),
    ("break-glass.toml", pull::rules::break_glass_admits_its_exceptions_while_the_file_has_them, &[
        "[[open]] digest",
        "[[open]] scope",
        "[[open]] until",
    ]),
    ("break-glass.toml", settings::an_exception_needs_a_reason, &["[[open]] reason"]),
    ("signer.toml", signer::options::hosts_toml_sets_the_address_of_the_registry, &[
        "[registry] host",
        "[registry] hosts",
    ]),
    ("signer.toml", signer::options::registry_credentials_are_used, &[
        "[registry] username",
        "[registry] password-file",
    ]),
    ("signer.toml", signer::access::without_a_secret_it_listens_only_on_this_machine, &["[listen] address"]),
    ("signer.toml", signer::access::a_client_certificate_of_the_right_authority_suffices, &[
        "[listen] certificate",
        "[listen] key",
        "[listen] clients",
    ]),
    ("signer.toml", signer::access::only_requests_with_the_secret_are_accepted, &["[listen] secret-file"]),
    ("signer.toml", signer::reload::a_failed_reload_is_reported_until_one_succeeds, &["[control] socket"]),
    ("signer.toml", signer::options::metrics_need_no_authentication, &["[metrics] address"]),
    ("signer.toml", signer::record::the_audit_log_continues_in_a_new_file_after_sighup, &["[state] directory"]),
    ("signer.toml", signer::listing::without_a_baseline_the_stated_time_counts, &["[reconcile] baseline"]),
    ("signer.toml", signer::listing::an_image_without_a_notification_is_found, &["[reconcile] interval"]),
    ("signer.toml", signer::listing::a_rule_starts_after_its_initial_listing, &["[reconcile] repositories"]),
    ("signer.toml", signer::options::notifications_are_limited, &[
        "[limits] notification-bytes",
        "[limits] notification-events",
    ]),
    ("signer.toml", signer::options::connections_are_limited, &["[limits] connections"]),
    ("signer.toml", signer::access::requests_over_a_limit_are_rejected, &["[limits] request-timeout"]),
    ("signer.toml", signer::options::the_queue_is_limited, &["[limits] queued"]),
    ("signer.toml", signer::options::concurrent_signing_is_limited, &["[limits] workers"]),
    ("signer.toml", signer::options::attempts_for_a_refused_image_are_limited, &["[limits] attempts"]),
    ("signer.toml", signer::options::listings_are_limited, &["[limits] listed"]),
    ("signer.toml", signer::options::the_passphrase_is_read_from_its_file, &["[keys] passphrase-file"]),
    ("signer.toml", keys::kms::takes_credentials_from_a_profile_or_the_instance, &["[keys] kms.ram-role"]),
    ("signer.toml", signer::keys::key_services_are_contacted_as_configured, &[
        "[keys] kms.credentials-file",
        "[keys] kms.profile",
        "[keys] kms.assume-role",
        "[keys] kms.external-id",
        "[keys] kms.sts",
        "[keys] kms.request-timeout",
        "[keys] vault.address",
        "[keys] vault.role-id",
        "[keys] vault.secret-id-file",
        "[keys] vault.mount",
    ]),
    ("signer.toml", signer::keys::keys_in_kms_and_vault_sign_pushed_images, &[
        "[keys] kms.access-key-id",
        "[keys] kms.access-key-secret-file",
        "[keys] vault.namespace",
        "[keys] vault.token-file",
        "[authenticator.NAME] key",
    ]),
    ("signer.toml", keys::kms::retries_when_throttled_and_gives_up_in_time, &["[keys] kms.timeout"]),
    ("signer.toml", keys::transit::retries_when_busy_and_gives_up_in_time, &["[keys] vault.timeout"]),
    ("signer.toml", signer::notation::a_service_does_not_start_with_another_chain, &["[authenticator.NAME] certificate-chain"]),
    ("signer.toml", signer::notation::notation_signatures_are_made_as_the_rule_says, &[
        "[[rule]] envelope",
        "[[rule]] expires-in",
    ]),
    ("signer.toml", signer::notation::an_image_waits_for_its_timestamp, &[
        "[[rule]] timestamp",
        "[[rule]] timestamp-ca",
    ]),
    ("signer.toml", signer::options::a_rule_decides_what_is_signed_and_how, &[
        "[authenticator.NAME] algorithm",
        "[[rule]] name",
        "[[rule]] authenticator",
        "[[rule]] scope",
        "[[rule]] trigger",
        "[[rule]] layout",
        "[[rule]] tags.include",
        "[[rule]] tags.exclude",
    ]),
    ("signer.toml", settings::a_rule_has_the_algorithm_of_its_key, &["[[rule]] algorithm"]),
    ("signer.toml", settings::what_is_set_for_the_signer_is_used, &[
        "[limits] remembered",
        "[limits] longest-pause",
        "[keys] pkcs11.module-directories",
        "[keys] pkcs11.sessions",
        "[keys] pkcs11.timeout",
        "[keys] kms.authorities",
        "[keys] kms.connect-timeout",
        "[keys] kms.requests-per-second",
        "[keys] kms.concurrency",
        "[keys] vault.authorities",
        "[keys] vault.connect-timeout",
        "[keys] vault.requests-per-second",
        "[keys] vault.concurrency",
        "[keys] vault.request-timeout",
        "[authenticator.NAME] signatures-per-second",
    ]),
];

/// Every option of every file.
pub(super) fn all_options() -> Vec<OptionDoc> {
    let all = pullgate::config::all_options().into_iter();
    all.chain(pullgate_signer::signer_options()).collect()
}

/// An option in one line.
fn name(file: &str, option: &str) -> String {
    format!("{file}: {option}")
}

#[test]
fn every_option_has_a_test_in_which_it_changes_the_outcome() {
    let tested = EFFECTS.iter().flat_map(|(file, _, options)| options.iter().map(|it| name(file, it)));
    let tested: Vec<String> = tested.chain(node::TESTED.iter().map(|(file, it)| name(file, it))).collect();
    let twice: Vec<&String> =
        tested.iter().filter(|it| tested.iter().filter(|other| other == it).count() > 1).collect();
    assert!(twice.is_empty(), "more than one test: {twice:#?}");
    let declared = all_options().into_iter().filter(|option| !matches!(option.kind, OptionKind::Table(_)));
    let declared: BTreeSet<String> = declared
        .map(|option| name(option.file, format!("{} {}", option.section, option.key).trim_start()))
        .collect();
    let tested: BTreeSet<String> = tested.into_iter().collect();
    let missing: Vec<_> = declared.difference(&tested).collect();
    let unknown: Vec<_> = tested.difference(&declared).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "no test: {missing:#?}\nno option: {unknown:#?}");
}
