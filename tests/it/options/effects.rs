//! The test of each option: the option changes the outcome there.

use std::collections::BTreeSet;

use pullgate_config::kind::OptionKind;
use pullgate_config::options::OptionDoc;

use super::policy as of_policy;
use super::settings;
use crate::{attacks, elsewhere, gates, keys, ledger, options, pull, signer};

#[path = "../../node/effects.rs"]
mod node;

/// The file, the test, and the options that change its outcome.
type Effects = &'static [(&'static str, fn(), &'static [&'static str])];

#[rustfmt::skip]
const EFFECTS: Effects = &[
    ("pullgate.toml", options::the_time_for_a_connection, &[
        "[registry] hosts",
        "[limits] connect-timeout",
    ]),
    ("pullgate.toml", attacks::sources::a_mirror_first_then_the_origin_under_the_name_that_was_asked_for, &["[registry] containerd-config"]),
    ("pullgate.toml", options::which_token_services_are_trusted, &["[registry] token-services"]),
    ("pullgate.toml", options::whether_a_signature_is_waited_for, &["[registry] wait-for-signature"]),
    ("pullgate.toml", attacks::credentials::the_operator_s_credentials_are_for_pulls_without_any_and_for_their_host, &[
        "[registry] docker-config",
        "[registry] credential.host",
        "[registry] credential.username",
        "[registry] credential.password-file",
    ]),
    ("pullgate.toml", attacks::credentials::t107_cloud_passwords_are_for_the_named_hosts_only, &[
        "[registry] acr.instance",
        "[registry] acr.region",
        "[registry] acr.hosts",
        "[registry] acr.ram-role",
        "[registry] acr.endpoint",
    ]),
    ("pullgate.toml", attacks::credentials::acr_with_an_access_key_and_a_wrong_one, &[
        "[registry] acr.access-key-id",
        "[registry] acr.access-key-secret-file",
    ]),
    ("pullgate.toml", attacks::sources::in_another_repository_as_cosign_repository_does, &[
        "[registry] signatures.scope",
        "[registry] signatures.image",
        "[registry] signatures.repository",
    ]),
    ("pullgate.toml", attacks::sources::in_a_directory_of_the_node, &["[registry] signatures.directory"]),
    ("pullgate.toml", gates::checkpoints_are_restored_only_where_that_is_allowed, &["[gate] checkpoint-restore"]),
    ("pullgate.toml", pull::what_was_pulled_is_told_and_created, &["[gate] pin-user-specified-image"]),
    ("pullgate.toml", ledger::disk::the_bounds_of_the_ledger_decide_what_is_known_offline, &["[ledger] max-entries"]),
    ("pullgate.toml", ledger::disk::the_oldest_evidence_goes_when_there_is_too_much, &["[ledger] max-bytes"]),
    ("pullgate.toml", elsewhere::daemon::commands_say_what_is_missing_and_fetch_it, &["[keys] directory"]),
    ("pullgate.toml", elsewhere::daemon::a_fetch_that_has_no_time_has_no_key, &["[keys] fetch-timeout"]),
    ("pullgate.toml", elsewhere::daemon::serves_without_a_policy_until_its_keys_can_be_had_and_starts_offline_then, &[
        "[keys] fetch-retry-interval",
        "[keys] kms.access-key-id",
        "[keys] kms.access-key-secret-file",
    ]),
    ("pullgate.toml", options::bounds_on_what_is_sent, &[
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
    ("pullgate.toml", options::bounds_on_time, &[
        "[limits] pull-timeout",
        "[limits] request-timeout",
    ]),
    ("pullgate.toml", options::how_long_a_tag_record_is_waited_for, &["[limits] tag-record-timeout"]),
    ("pullgate.toml", options::how_many_are_asked_at_a_time, &[
        "[limits] concurrent-pulls",
        "[limits] max-requests-per-host",
    ]),
    ("pullgate.toml", options::how_often_and_how_long_a_busy_registry_is_asked_again, &[
        "[limits] retries",
        "[limits] retry-wait",
    ]),
    ("pullgate.toml", options::how_long_it_is_believed_that_there_is_no_signature, &["[limits] negative-cache-ttl"]),
    ("pullgate.toml", options::how_long_a_turn_is_waited_for, &["[limits] queue-timeout"]),
    ("pullgate.toml", options::how_long_a_host_that_asks_for_it_is_left_alone, &["[limits] max-retry-after"]),
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
    ("policy.toml", of_policy::rules_and_defaults, &[
        "default",
        "default-reason",
        "[[namespace]] scope",
        "[[namespace]] pods",
        "[[namespace]] require.all",
        "[[namespace]] require.any",
        "[[namespace]] require.at-least",
        "[[namespace]] require.of",
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
        "[authenticator.NAME] algorithm",
        "[authenticator.NAME] salt-length",
        "[authenticator.NAME] keys.file",
        "[authenticator.NAME] keys.pem",
        "[authenticator.NAME] keys.algorithm",
        "[authenticator.NAME] keys.salt-length",
        "[authenticator.NAME] keys.not-before",
        "[authenticator.NAME] keys.not-after",
    ]),
    ("policy.toml", elsewhere::confirmed::what_the_service_says_decides_where_it_is_asked, &[
        "[authenticator.NAME] verify",
        "[authenticator.NAME] keys.verify",
    ]),
    ("policy.toml", elsewhere::confirmed::the_time_for_an_answer_is_the_one_that_is_set, &[
        "[authenticator.NAME] remote-timeout",
        "[authenticator.NAME] keys.remote-timeout",
    ]),
    ("policy.toml", elsewhere::confirmed::no_more_is_asked_than_the_rate_allows, &[
        "[authenticator.NAME] remote-rate",
        "[authenticator.NAME] keys.remote-rate",
    ]),
    ("policy.toml", elsewhere::confirmed::a_confirmation_is_remembered_for_its_time_and_then_a_disabled_key_counts_no_more, &[
        "[authenticator.NAME] remote-cache-ttl",
        "[authenticator.NAME] keys.remote-cache-ttl",
    ]),
    ("policy.toml", elsewhere::pinned::a_key_is_fetched_once_and_then_needs_nobody, &["[authenticator.NAME] keys.source"]),
    ("policy.toml", elsewhere::pinned::another_key_under_the_same_version_is_refused_and_named, &["[authenticator.NAME] keys.fingerprint"]),
    ("policy.toml", pull::rules::index_platform_and_either_ask_for_what_they_say_and_pull_what_was_signed, &["[[namespace]] accept"]),
    ("policy.toml", settings::a_reason_is_needed, &[
        "[[namespace]] reason",
        "[deny] digests.reason",
        "[deny] keys.reason",
    ]),
    ("break-glass.toml", pull::rules::break_glass_opens_what_it_says_while_the_file_says_so, &[
        "[[open]] digest",
        "[[open]] scope",
        "[[open]] until",
    ]),
    ("break-glass.toml", settings::an_exception_needs_a_reason, &["[[open]] reason"]),
    ("signer.toml", signer::options::at_which_address_the_registry_is, &[
        "[registry] host",
        "[registry] hosts",
    ]),
    ("signer.toml", signer::options::as_whom_the_registry_is_asked, &[
        "[registry] username",
        "[registry] password-file",
    ]),
    ("signer.toml", signer::access::without_a_secret_it_listens_at_this_machine_only, &["[listen] address"]),
    ("signer.toml", signer::access::a_client_certificate_of_the_right_authority_will_do, &[
        "[listen] certificate",
        "[listen] key",
        "[listen] clients",
    ]),
    ("signer.toml", signer::access::only_who_shows_the_secret_is_heard, &["[listen] secret-file"]),
    ("signer.toml", signer::reload::that_fails_is_told_with_its_reason_until_one_does_not, &["[control] socket"]),
    ("signer.toml", signer::options::where_metrics_are_for_everybody, &["[metrics] address"]),
    ("signer.toml", signer::record::goes_on_in_a_new_file_after_sighup, &["[state] directory"]),
    ("signer.toml", signer::listing::without_a_baseline_the_stated_time_counts, &["[reconcile] baseline"]),
    ("signer.toml", signer::listing::what_nobody_told_of_is_found, &["[reconcile] interval"]),
    ("signer.toml", signer::listing::a_rule_starts_when_what_was_there_is_known, &["[reconcile] repositories"]),
    ("signer.toml", signer::options::what_a_notification_may_be, &[
        "[limits] notification-bytes",
        "[limits] notification-events",
    ]),
    ("signer.toml", signer::options::how_many_connections_there_are, &["[limits] connections"]),
    ("signer.toml", signer::access::what_is_too_much_is_not_taken, &["[limits] request-timeout"]),
    ("signer.toml", signer::options::how_many_images_wait, &["[limits] queued"]),
    ("signer.toml", signer::options::how_many_images_are_signed_at_the_same_time, &["[limits] workers"]),
    ("signer.toml", signer::options::how_often_what_is_refused_is_tried, &["[limits] attempts"]),
    ("signer.toml", signer::options::how_long_a_list_may_be, &["[limits] listed"]),
    ("signer.toml", signer::options::where_the_passphrase_is, &["[keys] passphrase-file"]),
    ("signer.toml", keys::kms::takes_its_key_from_a_profile_or_the_instance, &["[keys] kms.ram-role"]),
    ("signer.toml", signer::keys::are_asked_for_as_the_file_says, &[
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
    ("signer.toml", signer::keys::of_kms_and_of_vault_sign_what_is_pushed, &[
        "[keys] kms.access-key-id",
        "[keys] kms.access-key-secret-file",
        "[keys] vault.namespace",
        "[keys] vault.token-file",
        "[authenticator.NAME] key",
    ]),
    ("signer.toml", keys::kms::comes_again_when_it_is_throttled_and_gives_up_in_time, &["[keys] kms.timeout"]),
    ("signer.toml", keys::transit::comes_again_when_it_is_busy_and_gives_up_in_time, &["[keys] vault.timeout"]),
    ("signer.toml", signer::options::what_a_rule_says, &[
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
