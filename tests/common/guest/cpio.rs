//! Archives that a kernel unpacks as its first file system (cpio, "newc").

use std::collections::BTreeSet;
use std::path::Path;

/// An archive that is being made; everything in it is root's.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    paths: BTreeSet<String>,
}

impl Archive {
    /// Adds a directory and those above it, unless it is there.
    pub fn directory(&mut self, path: &str) {
        self.add(path, 0o040_755, b"");
    }

    /// Adds a file that can be read.
    pub fn file(&mut self, path: &str, bytes: &[u8]) {
        self.add(path, 0o100_644, bytes);
    }

    /// Adds a file that can be run.
    pub fn executable(&mut self, path: &str, bytes: &[u8]) {
        self.add(path, 0o100_755, bytes);
    }

    /// The first file at a path is the one that stays.
    fn add(&mut self, path: &str, mode: u32, bytes: &[u8]) {
        let name = path.trim_start_matches('/');
        if name.is_empty() || self.paths.contains(name) {
            return;
        }
        if let Some(above) = Path::new(path).parent().and_then(Path::to_str) {
            self.directory(above);
        }
        self.paths.insert(name.to_owned());
        self.entry(name, mode, bytes);
    }

    fn entry(&mut self, name: &str, mode: u32, bytes: &[u8]) {
        let number = u32::try_from(self.paths.len()).expect("few files");
        let size = u32::try_from(bytes.len()).expect("a small file");
        let length = u32::try_from(name.len() + 1).expect("a short name");
        let fields = [number, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, length, 0];
        let fields: String = fields.iter().map(|field| format!("{field:08X}")).collect();
        self.bytes.extend(format!("070701{fields}{name}\0").as_bytes());
        self.align();
        self.bytes.extend(bytes);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, b"");
        self.bytes
    }
}
