//! Where the lists of revoked certificates are.

use der::Decode as _;
use x509_cert::ext::pkix::CrlDistributionPoints;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

/// Maximum number of addresses of one certificate; real ones have 1 or 2.
const MAX_POINTS: usize = 8;

/// The addresses of the complete lists, by the issuer of the certificate itself, that an extension names (RFC 5280 section
/// 4.2.1.13): of points for some reasons and of other issuers there are none.
pub(super) fn points_of(extension: &[u8]) -> Vec<String> {
    let Ok(CrlDistributionPoints(points)) = CrlDistributionPoints::from_der(extension) else {
        return Vec::new();
    };
    let complete = points.iter().filter(|point| point.reasons.is_none() && point.crl_issuer.is_none());
    complete.filter_map(|point| point.distribution_point.as_ref()).flat_map(uris).take(MAX_POINTS).collect()
}

/// The URIs of a name.
pub(super) fn uris(name: &DistributionPointName) -> Vec<String> {
    let DistributionPointName::FullName(names) = name else { return Vec::new() };
    let uri = |name: &GeneralName| match name {
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
        _ => None,
    };
    names.iter().filter_map(uri).collect()
}
