//! Encrypted values: read from bytes of others with every check, and compressed to the bytes that a handle denotes.
//!
//! tfhe-rs has one type for each width; on the wire they differ in their number of blocks alone, so that the widest stands for all.

use tfhe::conformance::ParameterSetConformant;
use tfhe::core_crypto::entities::packed_integers::PackedIntegers;
use tfhe::core_crypto::prelude::{
    CiphertextModulus, GlweCiphertextConformanceParams, GlweDimension, LweCiphertextCount, PolynomialSize,
};
use tfhe::integer::ciphertext::{DataKind, Expandable, IntegerCiphertext, IntegerRadixCiphertext};
use tfhe::integer::{RadixCiphertext, SignedRadixCiphertext};
use tfhe::named::Named;
use tfhe::prelude::{CiphertextList, Tagged};
use tfhe::safe_serialization::{safe_deserialize, safe_serialize};
use tfhe::shortint::ciphertext::{CompressedCiphertextList as PackedList, Degree, NoiseLevel};
use tfhe::shortint::parameters::CompressedCiphertextConformanceParams;
use tfhe::shortint::{AtomicPatternKind, Ciphertext};
use tfhe::{
    CompressedCiphertextList, CompressedCiphertextListBuilder, FheBool, FheInt64, FheUint64, HlExpandable,
    ReRandomizationMetadata, Tag, Unversionize, with_server_key_as_context,
};

use crate::failure::{Failure, Outcome};
use crate::keys::{IntegerKey, KeyTag, tag_of};
use crate::parameters;
use crate::value_type::ValueType;

/// Largest value that is read or written: a block has 16 KiB, and there are up to 32.
pub const MAX_VALUE: u64 = 1 << 20;
/// Largest compressed value.
pub const MAX_COMPRESSED: u64 = 16 << 10;

/// The blocks of a value, the least significant first.
#[derive(Clone)]
pub struct EncryptedValue {
    pub kind: ValueType,
    pub blocks: Vec<Ciphertext>,
}

impl EncryptedValue {
    /// Memory that it takes.
    pub fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| block.ct.as_ref().len() as u64 * 8 + 64).sum()
    }

    fn unsigned(&self, tag: Tag) -> FheUint64 {
        let blocks = RadixCiphertext::from(self.blocks.clone());
        FheUint64::from_raw_parts(blocks, Default::default(), tag, ReRandomizationMetadata::default())
    }

    fn signed(&self, tag: Tag) -> FheInt64 {
        let blocks = SignedRadixCiphertext::from(self.blocks.clone());
        FheInt64::from_raw_parts(blocks, Default::default(), tag, ReRandomizationMetadata::default())
    }

    fn boolean(&self, tag: Tag) -> Outcome<FheBool> {
        let expanded = FheBool::from_expanded_blocks(self.blocks.clone(), DataKind::Boolean);
        let mut value = expanded.map_err(|error| Failure::internal(error.to_string()))?;
        *value.tag_mut() = tag;
        Ok(value)
    }

    /// The value in the form that tfhe-rs and node-tfhe read, with the tag of its key set.
    pub fn to_bytes(&self, tag: &KeyTag) -> Outcome<Vec<u8>> {
        let tag = new_tag(tag);
        let mut bytes = Vec::new();
        let written = match self.kind {
            ValueType::Bool => safe_serialize(&self.boolean(tag)?, &mut bytes, MAX_VALUE),
            ValueType::Unsigned(_) => safe_serialize(&self.unsigned(tag), &mut bytes, MAX_VALUE),
            ValueType::Signed(_) => safe_serialize(&self.signed(tag), &mut bytes, MAX_VALUE),
        };
        written.map_err(|error| Failure::internal(error.to_string()))?;
        Ok(bytes)
    }

    /// A value of the stated type, and its tag, from the form that tfhe-rs and node-tfhe write.
    pub fn from_bytes(kind: ValueType, bytes: &[u8]) -> Outcome<(Self, KeyTag)> {
        let (blocks, tag) = read_blocks(kind, bytes)?;
        let tag = tag.ok_or_else(|| Failure::new("FHE_INPUT_FOREIGN_KEY", "the ciphertext has no tag of a key set"))?;
        if blocks.iter().any(|block| block.ct.get_mask().as_ref().iter().all(|coefficient| *coefficient == 0)) {
            return Err(Failure::new("FHE_INPUT_TRIVIAL", "the ciphertext is not encrypted"));
        }
        if blocks.len() != kind.blocks() {
            return Err(wrong_type(kind));
        }
        let mut conformance = parameters::block();
        conformance.degree = Degree::new(u64::from(kind.block_max()));
        if !blocks.iter().all(|block| block.is_conformant(&conformance)) {
            return Err(Failure::malformed("the ciphertext is not one of the supported parameters"));
        }
        Ok((Self { kind, blocks }, tag))
    }

    /// The compressed form, by the key of the value. Not on a thread of the pool, which takes up other work while it waits: tfhe-rs panics
    /// where that is a compression, too.
    pub fn compress(&self, key: &IntegerKey) -> Outcome<Vec<u8>> {
        let mut builder = CompressedCiphertextListBuilder::new();
        let tag = new_tag(&key.tag);
        match self.kind {
            ValueType::Bool => builder.push(self.boolean(tag)?),
            ValueType::Unsigned(_) => builder.push(self.unsigned(tag)),
            ValueType::Signed(_) => builder.push(self.signed(tag)),
        };
        let list = with_server_key_as_context(key.server.clone(), || builder.build());
        let list = list.map_err(|error| Failure::internal(error.to_string()))?;
        let mut bytes = Vec::new();
        safe_serialize(&list, &mut bytes, MAX_COMPRESSED).map_err(|error| Failure::internal(error.to_string()))?;
        Ok(bytes)
    }

    /// The value of compressed bytes, by the key that they must be under.
    pub fn decompress(kind: ValueType, bytes: &[u8], key: &IntegerKey) -> Outcome<Self> {
        let list = read_compressed(kind, bytes, Some(&key.tag))?;
        let value = with_server_key_as_context(key.server.clone(), || list.get::<Expanded>(0));
        match value {
            Ok(Some(Expanded { blocks, .. })) if blocks.len() == kind.blocks() => Ok(Self { kind, blocks }),
            _ => Err(Failure::malformed("the compressed value cannot be expanded")),
        }
    }
}

fn wrong_type(kind: ValueType) -> Failure {
    Failure::new("FHE_INPUT_TYPE", format!("the ciphertext is not of type {kind}"))
}

/// A tag with these bytes.
pub fn new_tag(bytes: &[u8]) -> Tag {
    let mut tag = Tag::default();
    tag.set_data(bytes);
    tag
}

/// The whole of the bytes as one object; nothing may follow it.
fn read_all<T: serde::de::DeserializeOwned + Unversionize + Named>(mut bytes: &[u8], most: u64) -> Option<T> {
    let value = safe_deserialize(&mut bytes, most).ok()?;
    bytes.is_empty().then_some(value)
}

fn read_blocks(kind: ValueType, bytes: &[u8]) -> Outcome<(Vec<Ciphertext>, Option<KeyTag>)> {
    let unsigned = || {
        let value = read_all::<FheUint64>(bytes, MAX_VALUE)?;
        let tag = tag_of(&value);
        Some((value.into_raw_parts().0.into_blocks(), tag))
    };
    let signed = || {
        let value = read_all::<FheInt64>(bytes, MAX_VALUE)?;
        let tag = tag_of(&value);
        Some((value.into_raw_parts().0.into_blocks(), tag))
    };
    let boolean = || {
        let value = read_all::<FheBool>(bytes, MAX_VALUE)?;
        let tag = tag_of(&value);
        Some((vec![value.into_raw_parts()], tag))
    };
    let read = match kind {
        ValueType::Bool => boolean(),
        ValueType::Unsigned(_) => unsigned(),
        ValueType::Signed(_) => signed(),
    };
    read.ok_or_else(|| {
        let is_other = unsigned().is_some() || signed().is_some() || boolean().is_some();
        if is_other { wrong_type(kind) } else { Failure::malformed("expected a serialised ciphertext") }
    })
}

/// A compressed list that holds exactly one value of the stated type under the key set of the tag, where one is given.
pub fn read_compressed(kind: ValueType, bytes: &[u8], tag: Option<&KeyTag>) -> Outcome<CompressedCiphertextList> {
    let list = read_all::<CompressedCiphertextList>(bytes, MAX_COMPRESSED);
    let list = list.ok_or_else(|| Failure::malformed("expected a compressed value"))?;
    if tag.is_some_and(|tag| list.tag().data() != tag) {
        return Err(Failure::new("FHE_INPUT_FOREIGN_KEY", "the compressed value is of another key set"));
    }
    if list.len() != 1 {
        return Err(Failure::malformed("expected one compressed value"));
    }
    let (inner, tag, metadata) = list.into_raw_parts();
    if inner.get_kind_of(0).and_then(type_of) != Some(kind) {
        return Err(wrong_type(kind));
    }
    // The parts of the list cannot be named from outside tfhe-rs; its plain serialisation is that of the parts in their order.
    let parts = bincode::serialize(&inner).ok().and_then(|plain| {
        let rings = bincode::deserialize::<Vec<Ring>>(&plain).ok()?;
        Some((rings, bincode::deserialize::<(PackedList, Vec<DataKind>)>(&plain).ok()?.0))
    });
    let is_packed = |(rings, packed): (Vec<Ring>, PackedList)| {
        packed.len() == kind.blocks() && packed.is_conformant(&compressed_conformance()) && rings.iter().all(is_whole)
    };
    if metadata.len() != 1 || !parts.is_some_and(is_packed) {
        return Err(Failure::malformed("the compressed value is not one of the supported parameters"));
    }
    Ok(CompressedCiphertextList::from_raw_parts(inner, tag, metadata))
}

/// A ring ciphertext of a compressed list, by its parts.
type Ring = (PackedIntegers<u64>, GlweDimension, PolynomialSize, LweCiphertextCount, CiphertextModulus<u64>);

/// Whether as many numbers are packed as the ring ciphertext has, each of as many bits as compression keeps. tfhe-rs takes both from
/// the bytes and its own check looks at neither: it would read behind their end, or ask for as much memory as they say.
fn is_whole((packed, dimension, size, bodies, _): &Ring) -> bool {
    let mask = dimension.0.checked_mul(size.0);
    let count = mask.and_then(|mask| mask.checked_add(bodies.0));
    packed.log_modulus() == parameters::compression().storage_log_modulus()
        && count.is_some_and(|count| packed.is_conformant(&count))
}

fn compressed_conformance() -> CompressedCiphertextConformanceParams {
    let (compression, compute) = (parameters::compression(), parameters::compute());
    CompressedCiphertextConformanceParams {
        ct_params: GlweCiphertextConformanceParams {
            glwe_dim: compression.packing_ks_glwe_dimension(),
            polynomial_size: compression.packing_ks_polynomial_size(),
            ct_modulus: compute.ciphertext_modulus(),
        },
        lwe_per_glwe: compression.lwe_per_glwe(),
        message_modulus: compute.message_modulus(),
        carry_modulus: compute.carry_modulus(),
        degree: Degree::new(3),
        noise_level: NoiseLevel::NOMINAL,
        atomic_pattern: AtomicPatternKind::Standard(tfhe::shortint::PBSOrder::KeyswitchBootstrap),
    }
}

/// The type of a value in a list, where it is one of ours.
pub fn type_of(kind: DataKind) -> Option<ValueType> {
    match kind {
        DataKind::Boolean => Some(ValueType::Bool),
        DataKind::Unsigned(blocks) => ValueType::of_blocks(false, blocks.get()),
        DataKind::Signed(blocks) => ValueType::of_blocks(true, blocks.get()),
        _ => None,
    }
}

/// What a list holds at a place, whatever its type.
pub struct Expanded {
    pub blocks: Vec<Ciphertext>,
    pub kind: DataKind,
    tag: Tag,
}

impl Expandable for Expanded {
    fn from_expanded_blocks(mut blocks: Vec<Ciphertext>, kind: DataKind) -> tfhe::Result<Self> {
        if matches!(kind, DataKind::Boolean) {
            blocks.iter_mut().for_each(|block| block.degree = Degree::new(1));
        }
        Ok(Self { blocks, kind, tag: Tag::default() })
    }
}

impl HlExpandable for Expanded {}

impl Tagged for Expanded {
    fn tag(&self) -> &Tag {
        &self.tag
    }

    fn tag_mut(&mut self) -> &mut Tag {
        &mut self.tag
    }
}

/// The blocks of a value that tfhe-rs re-randomises as a whole.
pub enum Whole {
    Unsigned(FheUint64),
    Signed(FheInt64),
    Bool(FheBool),
}

impl Whole {
    /// The value as tfhe-rs takes it.
    pub fn new(value: &EncryptedValue) -> Outcome<Self> {
        Ok(match value.kind {
            ValueType::Bool => Self::Bool(value.boolean(Tag::default())?),
            ValueType::Unsigned(_) => Self::Unsigned(value.unsigned(Tag::default())),
            ValueType::Signed(_) => Self::Signed(value.signed(Tag::default())),
        })
    }

    /// Its blocks.
    pub fn into_blocks(self) -> Vec<Ciphertext> {
        match self {
            Self::Unsigned(value) => value.into_raw_parts().0.blocks().to_vec(),
            Self::Signed(value) => value.into_raw_parts().0.blocks().to_vec(),
            Self::Bool(value) => vec![value.into_raw_parts()],
        }
    }
}
