//! Warnings in the log before certificates end.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::certificate::CertificateStatus;
use super::service::Signer;

/// The interval of the warnings.
const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Warns in the log of certificates that end: when they are loaded, and then daily.
pub(super) async fn watch(signer: Arc<Signer>) {
    loop {
        let changed = signer.changed.notified();
        tokio::pin!(changed);
        // From here on no change is missed.
        changed.as_mut().enable();
        let active_config = signer.active_config();
        for rule in active_config.rules.iter().map(|applied| &applied.rule) {
            let Some(status) = active_config.certificate(rule, Timestamp::now()) else { continue };
            let CertificateStatus { ends, ends_soon, error } = status;
            let rule = &rule.name;
            if let Some(error) = error {
                tracing::error!(
                    rule,
                    ends,
                    error,
                    "the certificate is not valid: the rule signs nothing until you renew the certificate and reload the \
                     signer"
                );
            } else if ends_soon {
                tracing::warn!(
                    rule,
                    ends,
                    "the certificate expires soon: renew the certificate and reload the signer"
                );
            }
        }
        drop(active_config);
        let _ = tokio::time::timeout(INTERVAL, changed).await;
    }
}
