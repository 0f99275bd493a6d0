use super::*;
use proptest::prelude::*;

/// As the reference implementation has it: `argon2 'upsentry 1 password' -id -t 2 -k 19456 -p 1 -l 32 -r`.
#[test]
fn a_password_gives_the_documented_key() {
    let key = Key::from_password("correct horse battery staple").unwrap();
    let hex: String = key.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "4cf021d144bcf1f7f77a2269aa95c11c9d6762633aacd75ef65980cae5dd6ed2");
    let other = Key::from_password("correct horse battery stapl").unwrap();
    assert_ne!(key, other);
}

#[test]
fn a_key_is_32_bytes_and_shows_nothing() {
    assert!(Key::from_bytes(&[7; 31]).is_none());
    assert!(Key::from_bytes(&[7; 33]).is_none());
    let key = Key::from_bytes(&[7; 32]).unwrap();
    assert_eq!(key.bytes(), &[7; 32]);
    assert_eq!(format!("{key:?} {key:#?}"), "Key Key");
}

#[test]
fn weak_passwords_are_seen() {
    for (password, why) in [
        ("", "shorter"),
        ("Tr0ub4dor&3", "shorter"),
        ("ööööööööööö", "shorter"),
        ("aaaaaaaaaaaaaaaa", "fewer"),
        ("abababababab", "fewer"),
        ("ABCDEFGHIJKLM", "follow"),
        ("123456789012", "follow"),
        ("098765432109", "follow"),
        ("qwertzuiopasdf", "follow"),
        ("1q2w3e4r5t6y", "follow"),
        ("123456123456", "follow"),
        ("Password1234", "tries"),
        ("passwordpassword", "tries"),
        ("p@ssw0rd12345", "tries"),
        ("!!!changeme2024!!!", "tries"),
        ("admin-password-1", "tries"),
        ("upsentry secret", "tries"),
    ] {
        let found = weakness(password);
        assert!(found.is_some_and(|text| text.contains(why)), "{password}: {found:?}");
    }
}

#[test]
fn others_are_not() {
    for password in [
        "Tr0ub4dor&3x",
        "correct horse battery staple",
        "vier Füße im kalten Schnee",
        "a8Gq-7zzP-11xk",
        "password of the old water mill",
    ] {
        assert_eq!(weakness(password), None, "{password}");
    }
}

#[test]
fn the_words_that_are_tried_first_are_in_order() {
    for word in COMMON {
        assert_eq!(word, word.to_lowercase());
    }
}

proptest! {
    #[test]
    fn any_text_is_judged(password in ".{0,80}") {
        let short = password.chars().count() < SHORTEST;
        prop_assert!(!short || weakness(&password).is_some());
        let lower = weakness(&password.to_ascii_uppercase()).is_some();
        prop_assert_eq!(lower, weakness(&password.to_ascii_lowercase()).is_some());
    }
}
