//! Keys, proofs and refusals on a small circuit: `x * x = y`, `y + x = z` with the signals `z` (used) and `free` (unused).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::BigInt;
use triseal_prover::codec::{put_g1, put_g2, scalar_modulus};
use triseal_prover::dev_setup::dev_setup;
use triseal_prover::document::{key_document, parse_key, parse_proof, proof_document, signals_document};
use triseal_prover::failure::Outcome;
use triseal_prover::prove::prove;
use triseal_prover::r1cs::R1cs;
use triseal_prover::serve::serve;
use triseal_prover::verify::verify;
use triseal_prover::wtns::read_witness;
use triseal_prover::zkey::ProvingKey;

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A folder of its own for each test.
fn folder() -> PathBuf {
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("triseal-prover-{}-{number}", std::process::id()));
    fs::create_dir_all(&path).expect("a temporary folder");
    path
}

fn section(id: u32, body: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &(body.len() as u64).to_le_bytes(), body].concat()
}

fn scalar(value: u64) -> Vec<u8> {
    let mut bytes = value.to_le_bytes().to_vec();
    bytes.resize(32, 0);
    bytes
}

fn container(magic: &str, version: u32, sections: &[Vec<u8>]) -> Vec<u8> {
    let count = sections.len() as u32;
    [magic.as_bytes(), &version.to_le_bytes(), &count.to_le_bytes(), &sections.concat()].concat()
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Wires: one, z, free, x, y. A wire number of `bad_wire` goes into the first constraint.
fn circuit_bytes(bad_wire: u32) -> Vec<u8> {
    let head = [words(&[32]), scalar_modulus(), words(&[5, 0, 2, 2, 5, 0, 2])].concat();
    let terms = |terms: &[(u32, u64)]| {
        let list = terms.iter().flat_map(|(wire, value)| [words(&[*wire]), scalar(*value)].concat());
        [words(&[terms.len() as u32]), list.collect()].concat()
    };
    let rows = [
        [terms(&[(bad_wire, 1)]), terms(&[(3, 1)]), terms(&[(4, 1)])].concat(),
        [terms(&[(4, 1), (3, 1)]), terms(&[(0, 1)]), terms(&[(1, 1)])].concat(),
    ];
    container("r1cs", 1, &[section(1, &head), section(2, &rows.concat()), section(3, &[0; 40])])
}

fn witness_bytes(values: &[u64]) -> Vec<u8> {
    let head = [words(&[32]), scalar_modulus(), words(&[values.len() as u32])].concat();
    let body: Vec<u8> = values.iter().flat_map(|value| scalar(*value)).collect();
    container("wtns", 2, &[section(1, &head), section(2, &body)])
}

const GOOD: [u64; 5] = [1, 12, 77, 3, 9];

fn made_key(folder: &Path) -> PathBuf {
    let (circuit, key) = (folder.join("c.r1cs"), folder.join("c.zkey"));
    fs::write(&circuit, circuit_bytes(3)).expect("written");
    dev_setup(&R1cs::open(&circuit).expect("a circuit"), &key).expect("a key");
    key
}

fn opened_key() -> ProvingKey {
    ProvingKey::open(&made_key(&folder())).expect("a key")
}

fn code<T>(outcome: Outcome<T>) -> &'static str {
    outcome.err().map_or("accepted", |failure| failure.code)
}

fn witness(values: &[u64]) -> Vec<BigInt<4>> {
    values.iter().map(|value| BigInt::new([*value, 0, 0, 0])).collect()
}

#[test]
fn a_proof_holds_for_its_signals_and_for_no_others() {
    let key = opened_key();
    let mut proof = prove(&key, &witness(&GOOD)).expect("a proof");
    assert!(verify(&key.vk, &proof).expect("verified"));
    proof.public_signals[0] += ark_bn254::Fr::from(1u8);
    assert!(!verify(&key.vk, &proof).expect("verified"));
}

#[test]
fn a_public_signal_that_no_constraint_uses_cannot_be_changed() {
    let key = opened_key();
    let mut proof = prove(&key, &witness(&GOOD)).expect("a proof");
    proof.public_signals[1] += ark_bn254::Fr::from(1u8);
    assert!(!verify(&key.vk, &proof).expect("verified"));
}

#[test]
fn two_proofs_of_one_witness_differ() {
    let key = opened_key();
    let (one, two) = (prove(&key, &witness(&GOOD)), prove(&key, &witness(&GOOD)));
    assert_ne!(one.expect("a proof").a, two.expect("a proof").a);
}

#[test]
fn a_witness_that_breaks_a_constraint_gives_no_proof() {
    let key = opened_key();
    for at in 1..5 {
        let mut values = GOOD;
        values[at] += 1;
        let expected = if at == 2 { "accepted" } else { "ZK_WITNESS_INVALID" };
        assert_eq!(code(prove(&key, &witness(&values))), expected, "wire {at}");
    }
    assert_eq!(code(prove(&key, &witness(&GOOD[..4]))), "ZK_WITNESS_INVALID");
}

#[test]
fn a_malformed_witness_is_refused() {
    let good = witness_bytes(&GOOD);
    assert_eq!(code(read_witness(&good, 5)), "accepted");
    assert_eq!(code(read_witness(&good, 6)), "ZK_WITNESS_INVALID");
    assert_eq!(code(read_witness(&witness_bytes(&[2, 12, 77, 3, 9]), 5)), "ZK_WITNESS_INVALID");
    assert_eq!(code(read_witness(&good[..good.len() - 1], 5)), "FORMAT_INVALID");
    assert_eq!(code(read_witness(&[&good[..], &[0]].concat(), 5)), "FORMAT_INVALID");
    let mut wrapped = good.clone();
    let end = wrapped.len();
    wrapped[end - 32..].copy_from_slice(&scalar_modulus());
    assert_eq!(code(read_witness(&wrapped, 5)), "FORMAT_INVALID");
}

#[test]
fn a_malformed_circuit_is_refused() {
    let path = folder().join("c.r1cs");
    let good = circuit_bytes(3);
    let cases = [
        (good.clone(), "accepted"),
        (circuit_bytes(5), "FORMAT_INVALID"),
        (good[..good.len() - 1].to_vec(), "FORMAT_INVALID"),
        ([b"wtns", &good[4..]].concat(), "FORMAT_INVALID"),
        (Vec::new(), "FORMAT_INVALID"),
    ];
    for (bytes, expected) in cases {
        fs::write(&path, bytes).expect("written");
        assert_eq!(code(R1cs::open(&path)), expected);
    }
}

/// Offset of section 2's body: after the file header and section 1.
const HEAD: usize = 12 + 12 + 4 + 12;

#[test]
fn a_key_without_a_second_phase_is_refused() {
    let path = made_key(&folder());
    let mut bytes = fs::read(&path).expect("read");
    let (mut one, mut two) = (Vec::new(), Vec::new());
    put_g1(&G1Affine::generator(), &mut one);
    put_g2(&G2Affine::generator(), &mut two);
    bytes[HEAD + 468..HEAD + 532].copy_from_slice(&one);
    bytes[HEAD + 532..HEAD + 660].copy_from_slice(&two);
    fs::write(&path, &bytes).expect("written");
    let failure = ProvingKey::open(&path).err().expect("refused");
    assert!(failure.code == "ZK_KEY_INVALID" && failure.message.contains("second phase"), "{failure}");
}

#[test]
fn a_key_of_mixed_parts_is_refused() {
    let (path, other) = (made_key(&folder()), made_key(&folder()));
    let (mut bytes, other) = (fs::read(&path).expect("read"), fs::read(&other).expect("read"));
    bytes[HEAD + 468..HEAD + 532].copy_from_slice(&other[HEAD + 468..HEAD + 532]);
    fs::write(&path, &bytes).expect("written");
    assert_eq!(code(ProvingKey::open(&path)), "ZK_KEY_INVALID");
}

#[test]
fn a_truncated_or_foreign_key_is_refused() {
    let path = made_key(&folder());
    let good = fs::read(&path).expect("read");
    for length in [0, 11, 100, good.len() / 2, good.len() - 1] {
        fs::write(&path, &good[..length]).expect("written");
        assert_eq!(code(ProvingKey::open(&path)), "FORMAT_INVALID", "{length} bytes");
    }
    let mut off_curve = good.clone();
    off_curve[HEAD + 84] ^= 1;
    fs::write(&path, off_curve).expect("written");
    assert_eq!(code(ProvingKey::open(&path)), "FORMAT_INVALID");
}

#[test]
fn a_key_whose_points_were_damaged_gives_no_proof() {
    let path = made_key(&folder());
    let mut bytes = fs::read(&path).expect("read");
    // Two points of section 9 trade places: every point is valid, and no proof would be.
    let start = bytes.len() - (12 + 68) - (12 + 5 * 128) - 3 * (12) - (2 * 5 + 2) * 64 - 8 * 64;
    let (first, second) = (bytes[start..start + 64].to_vec(), bytes[start + 64..start + 128].to_vec());
    bytes[start..start + 64].copy_from_slice(&second);
    bytes[start + 64..start + 128].copy_from_slice(&first);
    fs::write(&path, bytes).expect("written");
    let key = ProvingKey::open(&path).expect("opened");
    assert_eq!(code(prove(&key, &witness(&GOOD))), "ZK_WITNESS_INVALID");
}

#[test]
fn documents_are_read_as_they_were_written_and_in_no_other_spelling() {
    let key = opened_key();
    let proof = prove(&key, &witness(&GOOD)).expect("a proof");
    let (proof_json, signals, vk) = (proof_document(&proof), signals_document(&proof), key_document(&key.vk));
    let parsed_key = parse_key(&vk).expect("a key");
    assert!(verify(&parsed_key, &parse_proof(&proof_json, &signals).expect("a proof")).expect("verified"));
    let modulus = "21888242871839275222246405745257275088548364400416034343698204186575808495629";
    for text in ["012", "+12", "0xc", "", "-1", " 12", modulus] {
        let aliased = serde_json::json!([text, "77"]);
        assert_eq!(code(parse_proof(&proof_json, &aliased)), "ZK_PROOF_INVALID", "`{text}`");
    }
    let mut moved = proof_json.clone();
    moved["pi_a"][0] = serde_json::json!("1");
    assert_eq!(code(parse_proof(&moved, &signals)), "ZK_PROOF_INVALID");
    let mut missing = vk.clone();
    missing["vk_delta_2"] = vk["vk_gamma_2"].clone();
    assert_eq!(code(parse_key(&missing)), "ZK_KEY_INVALID");
}

fn request(id: &str, witness: &[u8]) -> Vec<u8> {
    [format!("{{\"id\":\"{id}\",\"bytes\":{}}}\n", witness.len()).as_bytes(), witness].concat()
}

#[test]
fn serving_answers_every_request_and_goes_on_after_a_bad_witness() {
    let key = opened_key();
    let requests = [request("a", &witness_bytes(&[1, 13, 77, 3, 9])), request("b", &witness_bytes(&GOOD))].concat();
    let mut output = Vec::new();
    serve(&key, &requests[..], &mut output).expect("served");
    let lines: Vec<serde_json::Value> =
        output.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["ready"], true);
    assert_eq!((&lines[1]["id"], &lines[1]["error"]["code"]), (&"a".into(), &"ZK_WITNESS_INVALID".into()));
    let proof = parse_proof(&lines[2]["proof"], &lines[2]["publicSignals"]).expect("a proof");
    assert!(verify(&key.vk, &proof).expect("verified"));
}

#[test]
fn serving_ends_at_a_malformed_request() {
    let key = opened_key();
    for input in ["{}\n", "not json\n", "{\"id\":\"a\",\"bytes\":99999999}\n", "{\"id\":\"a\",\"bytes\":-1}\n"] {
        assert_eq!(code(serve(&key, input.as_bytes(), Vec::new())), "USAGE", "{input}");
    }
    assert_eq!(code(serve(&key, &request("a", &witness_bytes(&GOOD))[..60], Vec::new())), "IO");
}
