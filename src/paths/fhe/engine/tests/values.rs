//! Real ciphertexts: each form of a value goes through every other, and what is none is refused before it is used.

#[path = "common/keys.rs"]
mod keys;

use keys::{I8, Keys, U8, code, compressed, keys, open};
use tfhe::prelude::Tagged;
use tfhe::safe_serialization::safe_serialize;
use triseal_fhe::offline::{decrypt, encrypt};
use triseal_fhe::value::EncryptedValue;
use triseal_fhe::value_type::ValueType;

#[test]
fn ciphertexts_are_checked_before_they_are_used() {
    let Keys { set, .. } = keys();
    let good = encrypt(&set.client, U8, 5).to_bytes(&set.tag).expect("serialises");
    let (value, tag) = EncryptedValue::from_bytes(U8, &good).expect("is a u8");
    assert_eq!((decrypt(&set.client, &value), tag), (Ok(5), set.tag));
    let refused = |kind, bytes: &[u8]| code(EncryptedValue::from_bytes(kind, bytes));
    for kind in [ValueType::Unsigned(16), ValueType::Unsigned(6), I8, ValueType::Bool] {
        assert_eq!(refused(kind, &good), "FHE_INPUT_TYPE", "{kind}");
    }
    for bytes in
        [&[][..], &good[1..], &good[..good.len() - 1], &[good.as_slice(), b"x"].concat(), b"garbage", &vec![0; 2 << 20]]
    {
        assert_eq!(refused(U8, bytes), "FHE_INPUT_MALFORMED");
    }
    assert_eq!(
        refused(U8, &encrypt(&set.client, U8, 5).to_bytes(&[9; 16]).map(|_| untagged()).expect("serialises")),
        "FHE_INPUT_FOREIGN_KEY"
    );
    let key = keys().loaded.integer().expect("is integer").blocks();
    for value in [key.create_trivial(1), disguised(key.create_trivial(1))] {
        let trivial = EncryptedValue { kind: ValueType::Bool, blocks: vec![value] };
        let bytes = trivial.to_bytes(&set.tag).expect("serialises");
        assert_eq!(refused(ValueType::Bool, &bytes), "FHE_INPUT_TRIVIAL");
    }
    let mut unfit = encrypt(&set.client, U8, 5);
    unfit.blocks[0].degree = tfhe::shortint::ciphertext::Degree::new(9);
    assert_eq!(refused(U8, &unfit.to_bytes(&set.tag).expect("serialises")), "FHE_INPUT_MALFORMED");
}

/// A value without the tag of a key set.
fn untagged() -> Vec<u8> {
    let mut value = <tfhe::FheUint8 as tfhe::prelude::FheEncrypt<u8, _>>::encrypt(5, &keys().set.client);
    value.tag_mut().set_data(b"short");
    let mut bytes = Vec::new();
    safe_serialize(&value, &mut bytes, 1 << 20).expect("serialises");
    bytes
}

/// A trivial block that says that it has noise.
fn disguised(mut block: tfhe::shortint::Ciphertext) -> tfhe::shortint::Ciphertext {
    block.set_noise_level_to_nominal();
    block
}

#[test]
fn compressed_values_are_checked_before_they_are_used() {
    let good = compressed(U8, 5);
    let key = keys().loaded.integer().expect("is integer");
    let refused = |kind, bytes: &[u8]| code(EncryptedValue::decompress(kind, bytes, key));
    assert_eq!(open(U8, &good), 5);
    assert_eq!(open(ValueType::Bool, &compressed(ValueType::Bool, 1)), 1);
    assert_eq!(open(I8, &compressed(I8, 128)), 128);
    for kind in [ValueType::Unsigned(16), ValueType::Unsigned(6), I8, ValueType::Bool] {
        assert_eq!(refused(kind, &good), "FHE_INPUT_TYPE", "{kind}");
    }
    for bytes in [&[][..], &good[1..], &good[..good.len() - 1], &[good.as_slice(), b"x"].concat(), b"garbage"] {
        assert_eq!(refused(U8, bytes), "FHE_INPUT_MALFORMED");
    }
    let plain = encrypt(&keys().set.client, U8, 5).to_bytes(&keys().set.tag).expect("serialises");
    assert_eq!(refused(U8, &plain), "FHE_INPUT_MALFORMED");
    // The tag stands in the bytes once.
    let tag = keys().set.tag;
    let at = good.windows(16).position(|window| window == tag).expect("carries the tag");
    let mut foreign = good.clone();
    foreign[at] ^= 1;
    assert_eq!(refused(U8, &foreign), "FHE_INPUT_FOREIGN_KEY");
    // No byte of it makes the engine panic.
    for at in (0..good.len()).step_by(97).chain(0..200).chain(good.len() - 300..good.len()) {
        let mut changed = good.clone();
        changed[at] ^= 0x41;
        let outcome = std::panic::catch_unwind(|| EncryptedValue::decompress(U8, &changed, key).map(|_| ()));
        assert!(outcome.is_ok(), "byte {at}");
    }
}

#[test]
fn values_go_through_every_form() {
    let Keys { set, loaded } = keys();
    let key = loaded.integer().expect("is integer");
    for (kind, text) in
        [("bool", "true"), ("u2", "3"), ("i4", "-8"), ("u14", "16383"), ("u64", "18446744073709551615"), ("i64", "-1")]
    {
        let kind = ValueType::parse(kind).expect("is a type");
        let value = encrypt(&set.client, kind, kind.parse_clear(text).expect("is a value"));
        let (read, _) =
            EncryptedValue::from_bytes(kind, &value.to_bytes(&set.tag).expect("serialises")).expect("is read");
        let expanded =
            EncryptedValue::decompress(kind, &read.compress(key).expect("compresses"), key).expect("expands");
        let (again, _) =
            EncryptedValue::from_bytes(kind, &expanded.to_bytes(&set.tag).expect("serialises")).expect("is read");
        assert_eq!(kind.clear_text(decrypt(&set.client, &again).expect("decrypts")), text);
    }
    // As tfhe-rs itself reads them.
    let value = encrypt(&set.client, U8, 77).to_bytes(&set.tag).expect("serialises");
    let theirs: tfhe::FheUint8 =
        tfhe::safe_serialization::safe_deserialize(value.as_slice(), 1 << 20).expect("is theirs");
    let clear: u8 = tfhe::prelude::FheDecrypt::decrypt(&theirs, &set.client);
    assert_eq!(clear, 77);
}
