//! The four binary files of a key set of kind `lwe`: 16 bytes that say what it is, the 16 bytes of the tag, then fixed-length content.

use crate::failure::{Failure, Outcome};

/// Bytes of a tag.
pub const TAG_BYTES: usize = 16;
/// What a key set's files carry in common.
pub type Tag = [u8; TAG_BYTES];

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    ClientKey,
    ServerKey,
    Input,
    Output,
}

impl Kind {
    const fn magic(self) -> &'static [u8; 16] {
        match self {
            Self::ClientKey => b"triseal-lwe-ck-1",
            Self::ServerKey => b"triseal-lwe-sk-1",
            Self::Input => b"triseal-lwe-in-1",
            Self::Output => b"triseal-lwe-ou-1",
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::ClientKey | Self::ServerKey => "FHE_KEY_INVALID",
            Self::Input | Self::Output => "FHE_INPUT_MALFORMED",
        }
    }

    /// Whether a file says that it is of this kind.
    #[must_use]
    pub fn begins(self, bytes: &[u8]) -> bool {
        bytes.starts_with(self.magic())
    }

    /// A refusal of a file of this kind.
    #[must_use]
    pub fn refuse(self, message: &str) -> Failure {
        Failure::new(self.code(), message)
    }
}

/// Writes the head of a file.
#[must_use]
pub fn start(kind: Kind, tag: &Tag, capacity: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(capacity + 2 * TAG_BYTES);
    bytes.extend_from_slice(kind.magic());
    bytes.extend_from_slice(tag);
    bytes
}

/// Appends numbers, little-endian.
pub fn put_words(bytes: &mut Vec<u8>, words: &[u64]) {
    for word in words {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
}

/// Reads a file from its start to its end.
pub struct Reader<'a> {
    kind: Kind,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// # Errors
    /// `FHE_KEY_INVALID` or `FHE_INPUT_MALFORMED` for a file of another kind.
    pub fn open(kind: Kind, bytes: &'a [u8]) -> Outcome<(Tag, Self)> {
        let mut reader = Self { kind, rest: bytes };
        if reader.take(16)? != kind.magic() {
            return Err(kind.refuse("a file of another kind"));
        }
        let tag = reader.array()?;
        Ok((tag, reader))
    }

    /// # Errors
    /// The kind's code for a file that ends before.
    pub fn take(&mut self, count: usize) -> Outcome<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.kind.refuse("a truncated file"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// # Errors
    /// As `take`.
    pub fn array<const N: usize>(&mut self) -> Outcome<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// # Errors
    /// As `take`.
    pub fn words(&mut self, count: usize) -> Outcome<Vec<u64>> {
        let bytes = self.take(count.checked_mul(8).ok_or_else(|| self.kind.refuse("a truncated file"))?)?;
        let word = |chunk: &[u8]| {
            let mut array = [0; 8];
            array.copy_from_slice(chunk);
            u64::from_le_bytes(array)
        };
        Ok(bytes.chunks_exact(8).map(word).collect())
    }

    /// # Errors
    /// The kind's code where bytes are left.
    pub fn end(self) -> Outcome<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.kind.refuse("bytes after the end of a file")) }
    }
}
