//! Reference strings that were checked in full before.
//!
//! Every point of a reference string must lie in its group: a proof made with another could tell the string's maker more than that
//! it holds. That check takes several times as long as a proof, and its outcome is a function of the bytes alone. So a record in
//! a folder that only its owner can write, named by the digest of the bytes, says that they passed; without one they are checked.

use std::fs::{self, DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use tfhe::safe_serialization::safe_deserialize;
use tfhe::zk::CompactPkeCrs;

use crate::digest::{Hash, hex, sha256};
use crate::failure::{Failure, Outcome};
use crate::files::{read_file, write_new};
use crate::list::{MAX_CRS, read_crs};
use crate::parameters::{LIST_BITS, NAME};

/// Records of full checks, in a folder of their reader's own.
pub struct CheckRecords {
    folder: Option<PathBuf>,
}

impl CheckRecords {
    /// Records in a folder, which is made where it is missing.
    pub fn at(folder: &Path) -> Self {
        Self { folder: Some(folder.to_owned()) }
    }

    /// None are known, and none are kept.
    pub fn none() -> Self {
        Self { folder: None }
    }

    /// Whether the bytes of that digest passed the full check of this very program and parameters.
    pub fn has(&self, digest: &Hash) -> bool {
        let Some(folder) = &self.folder else { return false };
        let record = folder.join(hex(digest));
        let is_own = |path: &Path| fs::symlink_metadata(path).ok().filter(is_own);
        let are_own =
            is_own(folder).is_some_and(|found| found.is_dir()) && is_own(&record).is_some_and(|found| found.is_file());
        are_own && read_file(&record, 1024).is_ok_and(|text| text == statement().into_bytes())
    }

    /// Says so of a digest. A record that cannot be written is none: the next reader checks again.
    fn put(&self, digest: &Hash) {
        let Some(folder) = &self.folder else { return };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        if made.is_ok() && !self.has(digest) {
            let record = folder.join(hex(digest));
            // One that another program or another version left says nothing to this one.
            let _ = fs::remove_file(&record);
            let _ = write_new(&record, statement().as_bytes(), 0o600);
        }
    }
}

/// What a record says. Whatever changes the check changes this.
fn statement() -> String {
    format!(
        "reference string checked: triseal-fhe {}, tfhe 1.7.0, {NAME}, {LIST_BITS} bits\n",
        env!("CARGO_PKG_VERSION")
    )
}

/// Of this process's user, and writable by no other.
fn is_own(found: &Metadata) -> bool {
    let user = fs::metadata("/proc/self").map(|process| process.uid());
    user.is_ok_and(|user| found.uid() == user) && found.mode() & 0o022 == 0
}

/// A reference string from its bytes, checked in full now or before.
///
/// # Errors
/// `FHE_KEY_INVALID` as `read_crs`.
pub fn read_checked_crs(mut bytes: &[u8], records: &CheckRecords) -> Outcome<CompactPkeCrs> {
    let digest = sha256(bytes);
    if records.has(&digest) {
        let read = safe_deserialize::<CompactPkeCrs>(&mut bytes, MAX_CRS);
        return read.map_err(|_| Failure::key("not a reference string of the supported parameters"));
    }
    let crs = read_crs(bytes)?;
    records.put(&digest);
    Ok(crs)
}
