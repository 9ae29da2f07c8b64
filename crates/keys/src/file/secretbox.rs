//! NaCl's secret box: XSalsa20 and Poly1305.
//!
//! Source: D. J. Bernstein, "Cryptography in NaCl", sections 9 and 10. The tag comes first; the first 32 bytes of the key
//! stream are the key of the tag.

use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit as _, StreamCipher as _};
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub(super) const NONCE: usize = 24;
const TAG: usize = 16;

/// What is in a box, or `None` when it was sealed with another key, or changed.
pub(super) fn open(key: &[u8; 32], nonce: &[u8; NONCE], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (tag, ciphertext) = sealed.split_at_checked(TAG)?;
    let mut cipher = XSalsa20::new(key.into(), nonce.into());
    let mut authenticator = Zeroizing::new([0; 32]);
    cipher.apply_keystream(authenticator.as_mut_slice());
    let expected = Poly1305::new((&*authenticator).into()).compute_unpadded(ciphertext);
    // Every byte is compared, whichever differs first.
    let differences = expected.iter().zip(tag).fold(0, |all, (expected, found)| all | (expected ^ found));
    if differences != 0 {
        return None;
    }
    let mut plain = Zeroizing::new(ciphertext.to_vec());
    cipher.apply_keystream(&mut plain);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That the box is NaCl's own is shown by keys that the real cosign wrote.
    #[test]
    fn opens_what_was_sealed_and_nothing_that_was_changed() {
        let (key, nonce) = ([7; 32], [9; NONCE]);
        let mut cipher = XSalsa20::new(&key.into(), &nonce.into());
        let mut authenticator = [0; 32];
        cipher.apply_keystream(&mut authenticator);
        let mut ciphertext = b"the key".to_vec();
        cipher.apply_keystream(&mut ciphertext);
        let tag = Poly1305::new(&authenticator.into()).compute_unpadded(&ciphertext);
        let sealed = [tag.as_slice(), &ciphertext].concat();
        assert_eq!(open(&key, &nonce, &sealed).unwrap().as_slice(), b"the key");
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(open(&key, &nonce, &changed).is_none(), "{index}");
        }
        assert!(open(&[8; 32], &nonce, &sealed).is_none());
        assert!(open(&key, &nonce, &sealed[..15]).is_none());
    }
}
