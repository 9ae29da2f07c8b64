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

/// The content of a box, or `None` when the key is wrong or the box was changed.
pub(super) fn open(key: &[u8; 32], nonce: &[u8; NONCE], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (tag, ciphertext) = sealed.split_at_checked(TAG)?;
    let mut cipher = XSalsa20::new(key.into(), nonce.into());
    let mut authenticator = Zeroizing::new([0; 32]);
    cipher.apply_keystream(authenticator.as_mut_slice());
    let expected = Poly1305::new((&*authenticator).into()).compute_unpadded(ciphertext);
    // In constant time.
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

    /// Keys that cosign wrote show that the format is NaCl's.
    #[test]
    fn opens_a_box_unless_it_was_changed() {
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
