use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

#[test]
fn a_new_file_of_32_bytes_that_is_never_overwritten() {
    let room = std::env::temp_dir().join(format!("upsentry-keygen-{}", std::process::id()));
    let _ = fs::remove_dir_all(&room);
    fs::create_dir(&room).unwrap();
    let (one, two) = (room.join("one"), room.join("two"));
    let said = make(&one).unwrap();
    assert!(said.contains(&format!("\n    key-file {}", one.display())), "{said}");
    make(&two).unwrap();
    let key = fs::read(&one).unwrap();
    assert_eq!(key.len(), 32);
    assert_ne!(key, fs::read(&two).unwrap());
    assert_eq!(fs::metadata(&one).unwrap().permissions().mode() & 0o7777, 0o600);
    let again = make(&one).unwrap_err();
    assert!(again.contains("is there already") && again.contains("one.new"), "{again}");
    assert_eq!(fs::read(&one).unwrap(), key);
    // Nor through a link, to what is there or not.
    for (name, to) in [("link", "one"), ("dangling", "three")] {
        symlink(to, room.join(name)).unwrap();
        assert!(make(&room.join(name)).unwrap_err().contains("is there already"));
    }
    assert!(!room.join("three").exists());
    assert!(make(&room.join("no/such/directory")).unwrap_err().starts_with("keygen: "));
    fs::remove_dir_all(&room).unwrap();
}
