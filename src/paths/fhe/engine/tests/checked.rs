//! Records of full checks: which are believed, and that nothing else takes the place of a check.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use triseal_fhe::checked::{CheckRecords, read_checked_crs};
use triseal_fhe::digest::{hex, sha256};
use triseal_fhe::list::make_crs;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("triseal-fhe-checked-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("is ours");
}

fn refused(bytes: &[u8], records: &CheckRecords) {
    let failure = read_checked_crs(bytes, records).expect_err("is refused");
    assert_eq!(failure.code, "FHE_KEY_INVALID");
}

#[test]
fn a_string_is_checked_once_and_every_other_one_too() {
    let bytes = make_crs().expect("is made");
    let digest = sha256(&bytes);
    let at = folder("once");
    let records = CheckRecords::at(&at);
    // Nothing that fails is recorded: a point off its curve, a missing end, a byte too many, something else.
    let mut altered = bytes.clone();
    altered[100_000] ^= 1;
    let long: Vec<u8> = bytes.iter().copied().chain([0]).collect();
    for wrong in [altered.as_slice(), &bytes[..bytes.len() - 1], &long, b""] {
        refused(wrong, &records);
        assert!(!records.has(&sha256(wrong)));
    }
    read_checked_crs(&bytes, &CheckRecords::none()).expect("is whole");
    assert!(!records.has(&digest));
    read_checked_crs(&bytes, &records).expect("is whole");
    assert!(records.has(&digest));
    let again = read_checked_crs(&bytes, &records).expect("is the same");
    assert_eq!(
        bincode::serialize(&again).expect("is written"),
        bincode::serialize(&read_checked_crs(&bytes, &CheckRecords::none()).expect("is whole")).expect("is written")
    );
    // The record is of these bytes alone.
    for wrong in [altered.as_slice(), &bytes[..bytes.len() - 1], &long] {
        refused(wrong, &records);
    }
    distrusts(&at, &records, &digest);
    fs::remove_dir_all(&at).expect("is ours");
}

/// A record is believed only while its owner alone can have written it.
fn distrusts(at: &Path, records: &CheckRecords, digest: &[u8; 32]) {
    let record = at.join(hex(digest));
    let text = fs::read(&record).expect("is there");
    for (path, loose, tight) in [(at, 0o777, 0o700), (at, 0o720, 0o700), (record.as_path(), 0o666, 0o600)] {
        mode(path, loose);
        assert!(!records.has(digest), "{loose:o}");
        mode(path, tight);
        assert!(records.has(digest));
    }
    for other in [b"".as_slice(), b"checked", &text[..text.len() - 1], &[text.as_slice(), b"\n"].concat()] {
        fs::write(&record, other).expect("is ours");
        assert!(!records.has(digest));
    }
    let elsewhere = at.join("elsewhere");
    fs::write(&elsewhere, &text).expect("is ours");
    fs::remove_file(&record).expect("is ours");
    symlink(&elsewhere, &record).expect("is made");
    assert!(!records.has(digest), "a link is no record");
    fs::remove_file(&record).expect("is ours");
    fs::create_dir(&record).expect("is made");
    assert!(!records.has(digest), "a folder is no record");
    assert!(!records.has(&[0; 32]));
}
