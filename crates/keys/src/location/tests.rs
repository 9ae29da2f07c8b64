use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use super::*;

#[test]
fn c_reads_each_kind_and_writes_it_again() {
    let token = |text: &str| match text.parse() {
        Ok(Location::Token(key)) => key,
        other => panic!("{other:?}"),
    };
    for text in [
        "key.pem",
        "/etc/pullgate/keys/with space.pem",
        "./awskms://x",
        "a:b",
        "file:pkcs11%3Ax",
        "pkcs11:token=ci;object=release",
        "pkcs11:token=ci;object=a%3Bb%26c;id=%01%FF?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/run/pin",
        "pkcs11:serial=9;slot-id=12;id=%41?module-name=softhsm2",
        "pkcs11:token=a;library-manufacturer=SoftHSM;library-description=lib;slot-description=Slot%200;slot-manufacturer=m;object=b",
        "alikms://key-hzz62f1cb66fa42qo5z2w/key-v-1?region=cn-hangzhou",
        "alikms://alias/release/v1?region=cn-hangzhou&endpoint=https://kms-vpc.cn-hangzhou.aliyuncs.com",
        "alikms://acs:kms:cn-hangzhou:1:key/k/v1?region=cn-hangzhou&endpoint=http://127.0.0.1:8080",
        "vault://release?mount=transit",
        "vault://release?mount=team/transit&version=3&address=https://vault.example:8200",
        "vault://release?mount=transit&address=http://[::1]:8200",
    ] {
        let read: Location = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read.to_string(), text);
    }
    for (text, same) in [
        ("file:key.pem", "key.pem"),
        ("file:///etc/key%2Epem", "/etc/key.pem"),
        ("openbao://release", "vault://release?mount=transit"),
        ("alikms://k/v?region=r&endpoint=kms.example", "alikms://k/v?region=r&endpoint=https://kms.example"),
        ("pkcs11:type=private;token=a;object=b", "pkcs11:token=a;object=b"),
        ("pkcs11:token=a%00%00;serial=1%00;object=b%00", "pkcs11:token=a;serial=1;object=b%00"),
        ("pkcs11:token=a;object=b?pin-source=file:/run/pin", "pkcs11:token=a;object=b?pin-source=/run/pin"),
    ] {
        assert_eq!(text.parse::<Location>().unwrap().to_string(), same);
    }
    let key = token("pkcs11:token=a%20b;id=%00x?module-name=softhsm2");
    assert_eq!((key.token.as_deref(), key.id.as_deref()), (Some("a b"), Some(&b"\0x"[..])));
    assert_eq!(key.module, Module::Name("softhsm2".to_owned()));
    let odd = OsString::from_vec(b"/a\xff".to_vec());
    let odd = Location::File(PathBuf::from(odd));
    assert_eq!((odd.to_string().as_str(), odd.to_string().parse()), ("file:/a%FF", Ok(odd)));
}

#[test]
fn refuses_what_could_mean_something_else() {
    for (text, expected) in [
        ("", "empty"),
        ("a\nb", "control"),
        ("awskms:///alias/x", "`awskms:` is not a supported kind of location"),
        ("https://example.com/key.pem", "`https:` is not a supported kind of location"),
        ("file://host/key", "a path on this machine"),
        ("file:", "a path"),
        ("file:a%0", "percent"),
        ("pkcs11:token=a;object=b?pin-value=1234", "a secret on a command line"),
        ("pkcs11:surprise?pin-value=1234", "a secret on a command line"),
        ("pkcs11:object=b", "location has no token"),
        ("pkcs11:token=a", "location has no key"),
        ("pkcs11:token=a;token=b;object=c", "more than once"),
        ("pkcs11:token=a;object=b;library-version=3", "unknown parameter `library-version`"),
        ("pkcs11:token=a;object=b;type=public", "`type` is not"),
        ("pkcs11:token=a;object=", "`object` is not"),
        ("pkcs11:token=a;object=b%0A", "control"),
        ("pkcs11:token=a%00b;object=b", "control"),
        ("pkcs11:token=%00;object=b", "`token` is not"),
        ("pkcs11:token=a;id=", "`id` is not"),
        ("pkcs11:token=a;slot-id=+1;object=b", "`slot-id`"),
        ("pkcs11:token=a;object=b?module-path=softhsm.so", "absolute"),
        ("pkcs11:token=a;object=b?module-path=/a&module-name=b", "keep one"),
        ("pkcs11:token=a;object=b?module-name=../b", "`module-name`"),
        ("pkcs11:token=a;object=b?pin-source=|/bin/pin", "`pin-source`"),
        ("alikms:key/v?region=r", "location has no key"),
        ("alikms://key?region=r", "location has no key version"),
        ("alikms://key/?region=r", "location has no key version"),
        ("alikms:///v?region=r", "location has no key"),
        ("alikms://key/v", "location has no region"),
        ("alikms://key/v?region=cn.evil.example/", "`region`"),
        ("alikms://key/v?region=r&region=s", "more than once"),
        ("alikms://key/v?region=r&secret=s", "unknown parameter `secret`"),
        ("alikms://key/v?region=r&endpoint=http://kms.example", "https"),
        ("alikms://key/v?region=r&endpoint=https://user@kms.example", "https"),
        ("alikms://key/v?region=r&endpoint=https://kms.example/path", "without a path"),
        ("alikms://key/v?region=r&endpoint=k.cryptoservice.kms.aliyuncs.com", "dedicated instance"),
        ("vault:key", "location has no key"),
        ("vault://", "location has no key"),
        ("vault://a/b", "the name of a transit key"),
        ("vault://..", "the name of a transit key"),
        ("vault://key?mount=a/../b", "`mount`"),
        ("vault://key?version=0", "`version`"),
        ("vault://key?version=latest", "`version`"),
        ("vault://key?address=http://vault.example", "https"),
        ("vault://key?token=s.x", "unknown parameter `token`"),
    ] {
        let error = text.parse::<Location>().expect_err(text).to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
        assert!(!error.contains("1234"), "{error}");
    }
    let long = "a".repeat(MAX_LOCATION_BYTES + 1);
    assert_eq!(long.parse::<Location>(), Err(LocationError::Long { found: long.len() }));
}
