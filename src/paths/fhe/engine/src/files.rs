//! Files that are written once, whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::failure::{Failure, Outcome};
use crate::keys::read_at_most;

/// Writes a file that is not there yet. A crash leaves no part of it under its name.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Outcome<()> {
    if path.exists() {
        return Err(Failure::new("IO", format!("{} exists already", path.display())));
    }
    let partial = path.with_extension(format!("{}.part", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    // A hard link, unlike a rename, replaces nothing.
    let placed = written.and_then(|()| fs::hard_link(&partial, path));
    fs::remove_file(&partial)?;
    Ok(placed?)
}

/// The whole of a file that is no longer than `most`.
pub fn read_file(path: &Path, most: u64) -> Outcome<Vec<u8>> {
    let file = File::open(path).map_err(|error| Failure::new("IO", format!("{}: {error}", path.display())))?;
    read_at_most(file, most)
}
