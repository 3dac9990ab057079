//! The container that `.r1cs`, `.wtns`, `.zkey` and `.ptau` share: magic, version, and numbered sections with a length.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};

const HEADER_BYTES: u64 = 12;
const MAX_SECTIONS: u32 = 64;

/// Where a section's bytes lie in the file.
#[derive(Clone, Copy)]
struct Section {
    id: u32,
    offset: u64,
    length: u64,
}

/// An opened container: any seekable source.
pub struct Container<R> {
    source: R,
    sections: Vec<Section>,
}

impl Container<File> {
    /// Opens a regular file of at most `max_bytes`.
    pub fn open(path: &Path, magic: &[u8; 4], versions: &[u32], max_bytes: u64) -> Outcome<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > max_bytes {
            return Err(Failure::format(format!("expected a file of at most {max_bytes} bytes")));
        }
        Self::read(file, magic, versions)
    }
}

impl<R: Read + Seek> Container<R> {
    /// Reads the table of sections; every byte of the file must belong to one.
    pub fn read(mut source: R, magic: &[u8; 4], versions: &[u32]) -> Outcome<Self> {
        let end = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        let mut head = [0u8; HEADER_BYTES as usize];
        source.read_exact(&mut head).map_err(|_| Failure::format("the file is too short"))?;
        if &head[..4] != magic {
            return Err(Failure::format(format!("expected a `{}` file", String::from_utf8_lossy(magic))));
        }
        if !versions.contains(&u32_at(&head, 4)) {
            return Err(Failure::format("unknown version of the file format"));
        }
        let count = u32_at(&head, 8);
        if count > MAX_SECTIONS {
            return Err(Failure::format("too many sections"));
        }
        let mut sections: Vec<Section> = Vec::new();
        let mut offset = HEADER_BYTES;
        for _ in 0..count {
            let mut entry = [0u8; 12];
            source.seek(SeekFrom::Start(offset))?;
            source.read_exact(&mut entry).map_err(|_| Failure::format("the file is truncated"))?;
            let section = Section { id: u32_at(&entry, 0), offset: offset + 12, length: u64_at(&entry, 4) };
            if sections.iter().any(|other| other.id == section.id) {
                return Err(Failure::format(format!("section {} stands twice", section.id)));
            }
            offset = section
                .offset
                .checked_add(section.length)
                .filter(|next| *next <= end)
                .ok_or_else(|| Failure::format("the file is truncated"))?;
            sections.push(section);
        }
        if offset != end {
            return Err(Failure::format("bytes after the last section"));
        }
        Ok(Self { source, sections })
    }

    fn find(&self, id: u32) -> Outcome<Section> {
        let found = self.sections.iter().find(|section| section.id == id);
        found.copied().ok_or_else(|| Failure::format(format!("section {id} is missing")))
    }

    /// Whether the section is there.
    pub fn has(&self, id: u32) -> bool {
        self.sections.iter().any(|section| section.id == id)
    }

    /// Length of a section in bytes.
    pub fn length(&self, id: u32) -> Outcome<u64> {
        Ok(self.find(id)?.length)
    }

    /// The bytes of a whole section.
    pub fn section(&mut self, id: u32) -> Outcome<Vec<u8>> {
        let length = self.find(id)?.length;
        self.part(id, 0, length)
    }

    /// The bytes of a section, which must have exactly `length`.
    pub fn section_of(&mut self, id: u32, length: usize) -> Outcome<Vec<u8>> {
        if self.length(id)? != length as u64 {
            return Err(Failure::format(format!("section {id} has a wrong length")));
        }
        self.section(id)
    }

    /// `length` bytes of a section from `from` on.
    pub fn part(&mut self, id: u32, from: u64, length: u64) -> Outcome<Vec<u8>> {
        let section = self.find(id)?;
        if from.checked_add(length).is_none_or(|end| end > section.length) {
            return Err(Failure::format(format!("section {id} is too short")));
        }
        let size = usize::try_from(length).map_err(|_| Failure::format("section too large"))?;
        let mut bytes = vec![0u8; size];
        self.source.seek(SeekFrom::Start(section.offset + from))?;
        self.source.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// A little-endian `u32` at `offset`.
pub fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    bytes[offset..offset + 4].iter().rev().fold(0, |acc, byte| (acc << 8) | u32::from(*byte))
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    bytes[offset..offset + 8].iter().rev().fold(0, |acc, byte| (acc << 8) | u64::from(*byte))
}

/// Writes a container section by section, into a file that only its owner can read and that appears whole or not at all.
pub struct ContainerWriter {
    out: BufWriter<File>,
    partial: PathBuf,
    path: PathBuf,
    left: u32,
}

impl ContainerWriter {
    /// Starts a file with `sections` sections.
    pub fn create(path: &Path, magic: &[u8; 4], version: u32, sections: u32) -> Outcome<Self> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        out.write_all(magic)?;
        out.write_all(&version.to_le_bytes())?;
        out.write_all(&sections.to_le_bytes())?;
        Ok(Self { out, partial, path: path.to_owned(), left: sections })
    }

    /// Writes one section.
    pub fn section(&mut self, id: u32, bytes: &[u8]) -> Outcome<()> {
        self.left = self.left.checked_sub(1).ok_or_else(|| Failure::internal("more sections than announced"))?;
        self.out.write_all(&id.to_le_bytes())?;
        self.out.write_all(&(bytes.len() as u64).to_le_bytes())?;
        self.out.write_all(bytes)?;
        Ok(())
    }

    /// Makes the file durable and gives it its name.
    pub fn finish(mut self) -> Outcome<()> {
        if self.left != 0 {
            return Err(Failure::internal("fewer sections than announced"));
        }
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        std::fs::rename(&self.partial, &self.path)?;
        Ok(())
    }
}
