//! The secret that a master and its slaves share: 32 bytes, from a key file or by Argon2id from a password.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};

/// Argon2id's memory for a password, in KiB.
pub const MEMORY: u32 = 19 * 1024;
/// Its passes over that memory.
pub const PASSES: u32 = 2;
/// Its lanes.
pub const LANES: u32 = 1;
/// Its salt. One for all, because a master and its slaves have nothing but the password in common: what protects
/// it is its length.
pub const SALT: &[u8] = b"upsentry 1 password";
/// Shorter passwords are weak, in characters.
pub const SHORTEST: usize = 12;
/// With fewer different characters they are too.
const FEWEST: usize = 5;

/// Words that everybody tries first: alone, twice, or with digits and signs around them.
const COMMON: [&str; 48] = [
    "abc",
    "admin",
    "administrator",
    "asdf",
    "asdfghjkl",
    "batman",
    "baseball",
    "battery",
    "changeit",
    "changeme",
    "correcthorsebatterystaple",
    "default",
    "dragon",
    "football",
    "geheim",
    "hallo",
    "hello",
    "hunter",
    "iloveyou",
    "kennwort",
    "letmein",
    "login",
    "master",
    "monkey",
    "mustang",
    "p@ssw0rd",
    "p@ssword",
    "pass",
    "passw0rd",
    "password",
    "passwort",
    "power",
    "powstatd",
    "princess",
    "qwer",
    "qwerty",
    "qwertyuiop",
    "qwertz",
    "qwertzuiop",
    "root",
    "secret",
    "server",
    "shadow",
    "slave",
    "sunshine",
    "superman",
    "upsentry",
    "welcome",
];
/// What a hand slides over.
const RUNS: [&str; 6] = [
    "abcdefghijklmnopqrstuvwxyz",
    "012345678901234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
];

/// A shared secret. No output shows it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key(Box<[u8; 32]>);

impl Key {
    /// Of exactly 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Key> {
        let mut key = Key(Box::new([0; 32]));
        // In place: what is moved leaves a copy behind.
        (bytes.len() == key.0.len()).then(|| key.0.copy_from_slice(bytes))?;
        Some(key)
    }

    /// By Argon2id, version 0x13, with the parameters above. It takes 19 MiB and much of a second of a slow machine:
    /// once, before the fork. The memory is given back. `None`: there was no memory.
    pub fn from_password(password: &str) -> Option<Key> {
        let params = Params::new(MEMORY, PASSES, LANES, Some(32)).ok()?;
        let mut memory = Vec::new();
        memory.try_reserve_exact(params.block_count()).ok()?;
        memory.resize(params.block_count(), Block::default());
        let mut key = Key(Box::new([0; 32]));
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let password = password.as_bytes();
        argon2.hash_password_into_with_memory(password, SALT, key.0.as_mut(), &mut memory).ok()?;
        Some(key)
    }

    /// The secret itself.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for Key {
    /// Leaves nothing of it to whoever comes to read this memory.
    fn drop(&mut self) {
        self.0.fill(0);
        // Else the compiler may leave it out, because nothing reads it.
        core::hint::black_box(&self.0);
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key")
    }
}

/// Why a password is no protection against one who has recorded a datagram and guesses; `None`: nothing was
/// found, which does not make it a good one.
pub fn weakness(password: &str) -> Option<&'static str> {
    let letters: Vec<char> = password.chars().flat_map(char::to_lowercase).collect();
    if password.chars().count() < SHORTEST {
        return Some("it is shorter than 12 characters");
    }
    let mut different = letters.clone();
    different.sort_unstable();
    different.dedup();
    if different.len() < FEWEST {
        return Some("it has fewer than 5 different characters");
    }
    let text: String = letters.iter().collect();
    if slides(&text) {
        return Some("its characters follow each other on the keyboard or in the alphabet");
    }
    let around = |letter: char| !letter.is_alphabetic();
    let word = text.trim_matches(around);
    let half = word.get(..word.len() / 2).filter(|half| half.repeat(2) == word);
    let parted = text.split(around).filter(|part| !part.is_empty());
    let common = |word: &str| COMMON.contains(&word);
    // `p@ssw0rd` has signs within, `admin-password-1` is made of nothing else.
    let known = common(word)
        || half.is_some_and(common)
        || COMMON.iter().any(|known| text.trim_matches(|c: char| c.is_ascii_digit()) == *known)
        || parted.clone().count() > 0 && parted.clone().all(common);
    known.then_some("it is made of words that everybody tries first")
}

/// One run, forwards or backwards, or the same short one again and again.
fn slides(text: &str) -> bool {
    let back: String = text.chars().rev().collect();
    let whole = |text: &str| RUNS.iter().any(|run| run.contains(text));
    let again = |text: &str| {
        (1..=text.len() / 2).any(|length| {
            let first = text.get(..length).unwrap_or("");
            let twice = text.len() % length == 0 && first.repeat(text.len() / length) == text;
            twice && (length < FEWEST || whole(first))
        })
    };
    whole(text) || whole(&back) || again(text) || again(&back)
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
