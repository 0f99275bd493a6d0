//! A certificate for NUT's server, in a database as NSS has it.

use super::nut::command;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// What it is called there, and what its key is locked with.
const NAME: &str = "server";
const LOCK: &str = "lock";

/// Signed by itself, for `localhost` and 127.0.0.1.
#[derive(Debug)]
pub struct Certificate {
    dir: PathBuf,
}

impl Certificate {
    /// Makes it, and the directory.
    pub fn new(dir: &Path) -> Self {
        fs::create_dir(dir).expect("the directory of certificates");
        let made = Self { dir: dir.to_owned() };
        fs::write(made.path("lock"), LOCK).expect("a password");
        // Any bytes do where nothing is secret; the clock makes two of them differ.
        let noise = format!("{:?}", std::time::SystemTime::now()).repeat(8);
        fs::write(made.path("noise"), &noise).expect("noise");
        made.certutil(&["-N"]);
        let words = "-S -n server -s CN=localhost -x -t CT,C,C -v 12 -k ec -q nistp256 --extSAN dns:localhost,ip:127.0.0.1";
        let noise = made.path("noise").display().to_string();
        let mut words: Vec<&str> = words.split(' ').collect();
        words.extend(["-z", &noise]);
        made.certutil(&words);
        let pem = made.certutil(&["-L", "-n", NAME, "-a"]);
        fs::write(made.pem(), pem).expect("the certificate");
        for file in fs::read_dir(dir).expect("the directory").flatten() {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            fs::set_permissions(file.path(), mode).expect("its mode");
        }
        made
    }

    /// The certificate as a file, PEM.
    pub fn pem(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// SHA-256 of its public key with the key's algorithm, in hexadecimal.
    pub fn pin(&self) -> String {
        let der = self.certutil(&["-L", "-n", NAME, "-r"]);
        let digest = Sha256::digest(public_key(&der));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Removes it, where it lies in nobody's directory.
    pub fn remove(self) {
        let _ = fs::remove_dir_all(&self.dir);
    }

    /// Lines of upsd.conf.
    pub fn directives(&self) -> String {
        format!("CERTPATH {}\nCERTIDENT {NAME} {LOCK}\n", self.dir.display())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn certutil(&self, words: &[&str]) -> Vec<u8> {
        let mut certutil = command("certutil");
        certutil.args(words).arg("-d").arg(format!("sql:{}", self.dir.display()));
        certutil.arg("-f").arg(self.path("lock"));
        let output = certutil.output().expect("certutil");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "certutil {words:?}: {said}");
        output.stdout
    }
}

/// SubjectPublicKeyInfo of a certificate: the sixth field after the version.
fn public_key(der: &[u8]) -> &[u8] {
    let (_, certificate, _) = element(der);
    let (_, mut rest, _) = element(certificate);
    for _ in 0..6 {
        rest = element(rest).2;
    }
    element(rest).0
}

/// The first element whole, what is in it, and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let (start, length) = match der[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let count = usize::from(long & 0x7f);
            let bytes = &der[2..2 + count];
            (2 + count, bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
        }
    };
    (&der[..start + length], &der[start..start + length], &der[start + length..])
}
