//! Server keys: checked against their digest and parameters when they are loaded, then shared, and dropped when others need the room.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tfhe::CompressedServerKey;
use tfhe::ServerKey;
use tfhe::prelude::Tagged;
use tfhe::safe_serialization::safe_deserialize_conformant;
use tfhe::shortint;

use crate::accumulators::Accumulator;
use crate::digest::{Hash, hex, sha256};
use crate::failure::{Failure, Outcome};
use crate::lru::ByteLru;
use crate::lwe;
use crate::lwe::keys::EvaluationKey;
use crate::parameters;
use crate::radix::Tables;

/// Largest server key that is read, compressed.
pub const MAX_SERVER_KEY: u64 = 256 << 20;
/// The mark that every key and ciphertext of a key set carries.
pub type KeyTag = [u8; 16];

/// How much room an expanded key of the one parameter set takes, measured as growth of the resident set.
const INTEGER_KEY_BYTES: u64 = 320 << 20;
/// Accumulators that are kept for a key: 32 KiB each.
const MAX_ACCUMULATORS: usize = 1024;

/// A server key by kind.
pub enum LoadedKey {
    Integer(IntegerKey),
    Lwe(EvaluationKey),
}

/// A server key for radix circuits.
pub struct IntegerKey {
    pub server: ServerKey,
    /// SHA-256 of its file: what names it. A tag does not, because whoever makes a key set chooses it.
    pub id: Hash,
    pub tag: KeyTag,
    accumulators: Mutex<HashMap<Tables, Arc<Accumulator>>>,
}

impl LoadedKey {
    /// A key from the bytes of its file.
    pub fn from_bytes(bytes: &[u8]) -> Outcome<Self> {
        if lwe::frame::Kind::ServerKey.begins(bytes) {
            return Ok(Self::Lwe(lwe::keys::ServerKey::parse(bytes)?.expand()));
        }
        IntegerKey::from_bytes(bytes).map(Self::Integer)
    }

    /// The kind as key documents name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Integer(_) => "integer",
            Self::Lwe(_) => "lwe",
        }
    }

    /// The tag of its key set.
    pub fn tag(&self) -> &KeyTag {
        match self {
            Self::Integer(key) => &key.tag,
            Self::Lwe(key) => &key.tag,
        }
    }

    /// The name of its parameters.
    pub fn parameters(&self) -> &'static str {
        match self {
            Self::Integer(_) => parameters::NAME,
            Self::Lwe(_) => lwe::parameters::PARAMETERS,
        }
    }

    /// About how much memory it takes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Integer(_) => INTEGER_KEY_BYTES,
            Self::Lwe(key) => key.bytes() as u64,
        }
    }

    /// The key, where it is one for radix circuits and their values.
    pub fn integer(&self) -> Outcome<&IntegerKey> {
        match self {
            Self::Integer(key) => Ok(key),
            Self::Lwe(_) => Err(Failure::key("a key of kind lwe, where one of kind integer is needed")),
        }
    }

    /// The key, where it is one for circuits of kind `lwe`.
    pub fn lwe(&self) -> Outcome<&EvaluationKey> {
        match self {
            Self::Lwe(key) => Ok(key),
            Self::Integer(_) => Err(Failure::key("a key of kind integer, where one of kind lwe is needed")),
        }
    }
}

impl IntegerKey {
    fn from_bytes(mut bytes: &[u8]) -> Outcome<Self> {
        let conformance = parameters::config().into();
        let id = sha256(bytes);
        let read = safe_deserialize_conformant::<CompressedServerKey>(&mut bytes, MAX_SERVER_KEY, &conformance);
        let key = read.map_err(|_| Failure::key("not a compressed server key of the supported parameters"))?;
        if !bytes.is_empty() {
            return Err(Failure::key("bytes follow the server key"));
        }
        let tag = tag_of(&key).ok_or_else(|| Failure::key("the server key has no tag of 16 bytes"))?;
        Ok(Self { server: key.decompress(), id, tag, accumulators: Mutex::default() })
    }

    /// The key that blocks are bootstrapped with.
    pub fn blocks(&self) -> &shortint::ServerKey {
        let integer: &tfhe::integer::ServerKey = self.server.as_ref();
        integer.as_ref()
    }

    /// The accumulator of tables, made once.
    pub fn accumulator(&self, tables: &Tables) -> Arc<Accumulator> {
        let mut known = self.accumulators.lock().expect("no thread panics with this lock");
        if let Some(accumulator) = known.get(tables) {
            return Arc::clone(accumulator);
        }
        let accumulator = Arc::new(Accumulator::new(self.blocks(), tables));
        if known.len() < MAX_ACCUMULATORS {
            known.insert(*tables, Arc::clone(&accumulator));
        }
        accumulator
    }
}

/// The tag of a key or ciphertext, where it is one of ours.
pub fn tag_of(tagged: &impl Tagged) -> Option<KeyTag> {
    tagged.tag().data().try_into().ok()
}

/// The folder of keys, and those of them that are in memory.
pub struct KeyStore {
    folder: PathBuf,
    held: Mutex<ByteLru<Hash, Arc<LoadedKey>>>,
    /// One key is expanded at a time: two at once would need the memory of both.
    loading: Mutex<()>,
}

impl KeyStore {
    /// A store over a folder whose files are named by their digest.
    pub fn new(folder: &Path, limit: u64) -> Self {
        Self { folder: folder.to_owned(), held: Mutex::new(ByteLru::new(limit)), loading: Mutex::new(()) }
    }

    /// The server key of that digest.
    pub fn server_key(&self, digest: &Hash) -> Outcome<Arc<LoadedKey>> {
        if let Some(key) = self.kept(digest) {
            return Ok(key);
        }
        // A thread that panicked while it held the lock left nothing half done behind.
        let _loading = self.loading.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(key) = self.kept(digest) {
            return Ok(key);
        }
        let key = Arc::new(LoadedKey::from_bytes(&self.file(digest, MAX_SERVER_KEY)?)?);
        self.held.lock().expect("no thread panics with this lock").insert(*digest, Arc::clone(&key), key.bytes());
        Ok(key)
    }

    fn kept(&self, digest: &Hash) -> Option<Arc<LoadedKey>> {
        self.held.lock().expect("no thread panics with this lock").get(digest)
    }

    /// The bytes of the file of that digest, which they have.
    pub fn file(&self, digest: &Hash, most: u64) -> Outcome<Vec<u8>> {
        let unknown = |_| Failure::key_unknown(format!("no file {} in the folder of keys", hex(digest)));
        let file = File::open(self.folder.join(hex(digest))).map_err(unknown)?;
        let too_long = |failure: Failure| match failure.code {
            "FHE_INPUT_MALFORMED" => Failure::key(failure.message),
            _ => failure,
        };
        let bytes = read_at_most(file, most).map_err(too_long)?;
        if sha256(&bytes) != *digest {
            return Err(Failure::key(format!("the file {} has another digest", hex(digest))));
        }
        Ok(bytes)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The whole of a file that is no longer than `most`.
pub fn read_at_most(file: File, most: u64) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Failure::malformed(format!("a file is longer than {most} bytes")));
    }
    Ok(bytes)
}
