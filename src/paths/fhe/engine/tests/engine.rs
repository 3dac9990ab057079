//! The engine as a process: what a gateway may ask over the socket, and what it is refused.

mod common;
#[path = "common/gateway.rs"]
mod gateway;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::small_circuit;
use ed25519_dalek::{Signature, VerifyingKey};
use gateway::Gateway;
use serde_json::{Value, json};
use triseal_fhe::checked::CheckRecords;
use triseal_fhe::digest::{digest_text, hex, sha256, unhex_array};
use triseal_fhe::jcs::encode_jcs;
use triseal_fhe::keygen::{KeySet, key_bytes};
use triseal_fhe::keys::MAX_SERVER_KEY;
use triseal_fhe::list::MAX_PUBLIC_KEY;
use triseal_fhe::offline::{Proving, decrypt_file, encrypt, prove_file};
use triseal_fhe::value_type::ValueType;

/// A key set in the folder of keys.
struct Kept {
    set: KeySet,
    key: String,
    public: String,
}

fn keep_set(gateway: &Gateway) -> Kept {
    let set = KeySet::generate().expect("makes keys");
    let key = gateway.keep(&key_bytes(&set.server, MAX_SERVER_KEY).expect("serialises"));
    let public = gateway.keep(&key_bytes(&set.public, MAX_PUBLIC_KEY).expect("serialises"));
    fs::write(gateway.folder.join("client.key"), key_bytes(&set.client, 1 << 20).expect("serialises")).expect("writes");
    Kept { set, key, public }
}

const U8: ValueType = ValueType::Unsigned(8);

fn decrypted(gateway: &Gateway, kind: ValueType, bytes: &[u8]) -> Value {
    let file = gateway.folder.join("value");
    fs::write(&file, bytes).expect("writes");
    decrypt_file(&gateway.folder.join("client.key"), kind, &file).expect("decrypts")["value"].clone()
}

#[test]
fn a_gateway_is_served_until_it_goes_away() {
    let mut gateway = Gateway::start();
    let other = keep_set(&gateway);
    let kept = keep_set(&gateway);
    greets(&mut gateway);
    checks_keys(&mut gateway, &kept, &other);
    let values = imports(&mut gateway, &kept, &other);
    claims(&mut gateway, &kept, &values);
    cancels(&mut gateway, &kept, &values);
    opens_lists(&mut gateway, &kept, &other);
    gateway.stream.shutdown(std::net::Shutdown::Both).expect("shuts down");
    assert!(gateway.engine.wait().expect("ends").success());
}

fn greets(gateway: &mut Gateway) {
    assert_eq!(fs::metadata(gateway.folder.join("seed")).expect("is made").permissions().mode() & 0o777, 0o600);
    gateway.refused(json!({ "op": "hello", "extra": 1 }), &[], "FHE_PROTOCOL");
    gateway.refused(json!({ "op": "nothing" }), &[], "FHE_PROTOCOL");
    let (hello, _) = gateway.ask(json!({ "op": "hello" }), &[]).expect("greets");
    let program = fs::read(env!("CARGO_BIN_EXE_triseal-fhe")).expect("is there");
    assert_eq!((&hello["build"], &hello["threads"]), (&json!(digest_text(&sha256(&program))), &json!(2)));
}

fn checks_keys(gateway: &mut Gateway, kept: &Kept, other: &Kept) {
    let check = |key: &str, public: Option<&str>| json!({ "op": "check-key", "keyId": key, "publicKey": public });
    let (checked, _) = gateway.ask(check(&kept.key, Some(&kept.public)), &[]).expect("is good");
    assert_eq!((&checked["kind"], &checked["tag"]), (&json!("integer"), &json!(hex(&kept.set.tag))));
    gateway.ask(check(&kept.key, None), &[]).expect("is good");
    gateway.refused(check(&kept.key, Some(&other.public)), &[], "FHE_KEY_INVALID");
    gateway.refused(check(&kept.public, None), &[], "FHE_KEY_INVALID");
    gateway.refused(check(&kept.key, Some(&kept.key)), &[], "FHE_KEY_INVALID");
    gateway.refused(check(&"00".repeat(32), None), &[], "FHE_KEY_UNKNOWN");
    let renamed = "11".repeat(32);
    fs::copy(gateway.folder.join("keys").join(&other.key), gateway.folder.join("keys").join(&renamed)).expect("copies");
    gateway.refused(check(&renamed, None), &[], "FHE_KEY_INVALID");
}

fn imports(gateway: &mut Gateway, kept: &Kept, other: &Kept) -> [Vec<u8>; 2] {
    let import = |kind: &str| json!({ "op": "import", "keyId": kept.key, "type": kind });
    let plain = |kept: &Kept, bits| encrypt(&kept.set.client, U8, bits).to_bytes(&kept.set.tag).expect("serialises");
    gateway.refused(import("u16"), &[plain(kept, 3)], "FHE_INPUT_TYPE");
    gateway.refused(import("u8"), &[plain(other, 3)], "FHE_INPUT_FOREIGN_KEY");
    gateway.refused(import("u8"), &[b"garbage".to_vec()], "FHE_INPUT_MALFORMED");
    gateway.refused(import("u8"), &[], "FHE_PROTOCOL");
    let values = [91, 177].map(|bits| gateway.ask(import("u8"), &[plain(kept, bits)]).expect("imports").1.remove(0));
    let expand = json!({ "op": "expand", "keyId": kept.key, "type": "u8" });
    let (_, expanded) = gateway.ask(expand, &[values[0].clone()]).expect("expands");
    assert_eq!(decrypted(gateway, U8, &expanded[0]), json!("91"));
    assert_eq!(decrypted(gateway, U8, &values[1]), json!("177"));
    values
}

const RUN: &str = "000102030405060708090a0b0c0d0e0f";

fn claims(gateway: &mut Gateway, kept: &Kept, values: &[Vec<u8>; 2]) {
    let binding = json!({ "v": 1, "requestDigest": "sha256:aa", "modelDigest": "sha256:bb", "decisionDigest": "sha256:cc", "nonce": "00" });
    let seed = hex(&sha256(&[b"triseal.fhe.seed.v1\0".as_slice(), &encode_jcs(&binding).expect("encodes")].concat()));
    let run = |run: &str, seed: &str| json!({ "op": "run", "run": run, "keyId": kept.key, "seed": seed });
    let circuit = small_circuit().to_string().into_bytes();
    let parts = [circuit.clone(), values[0].clone(), values[1].clone()];
    gateway.refused(run(RUN, &seed), &[b"{}".to_vec()], "FHE_CIRCUIT_INVALID");
    gateway.refused(run(RUN, &seed), &[], "FHE_PROTOCOL");
    gateway.refused(run(RUN, &seed), &parts[..2], "FHE_INPUT_TYPE");
    let (said, outputs) = gateway.ask(run(RUN, &seed), &parts).expect("runs");
    assert_eq!((&said["pbs"], decrypted(gateway, U8, &outputs[0])), (&json!(8), json!("12")));
    gateway.refused(run(RUN, &seed), &parts, "FHE_PROTOCOL");

    let mut whole = binding.clone();
    whole["responseDigest"] = "sha256:dd".into();
    let digest = |bytes: &Vec<u8>| digest_text(&sha256(bytes));
    let types = ["u8", "bool", "i8", "u2"];
    let outputs: Value = outputs
        .iter()
        .zip(types)
        .map(|(bytes, kind)| json!({ "n": "x", "t": kind, "digest": digest(bytes), "handle": "00" }))
        .collect();
    let input = |bytes| json!({ "n": "a", "digest": digest(bytes), "handle": null });
    let claim = json!({
        "v": 1, "programDigest": "sha256:ee", "inputs": [input(&values[0]), { "n": "c", "clear": "7" }, input(&values[1])], "lists": [],
        "outputs": outputs, "reads": [], "writes": [], "factsDigest": "sha256:ff", "binding": whole,
    });
    let ask = |run: &str, claim: &Value| json!({ "op": "claim", "run": run, "claim": claim });
    let changed = |path: &str, value: Value| {
        let mut claim = claim.clone();
        *claim.pointer_mut(path).expect("is there") = value;
        claim
    };
    for claim in [
        changed("/inputs/0/digest", json!(digest(&values[1]))),
        changed("/inputs", json!([])),
        changed("/outputs/1/t", json!("u8")),
        changed("/outputs/0/digest", json!("sha256:00")),
        changed("/outputs/0/handle", json!(1.5)),
        changed("/binding/nonce", json!("01")),
        changed("/v", json!(2)),
        json!({}),
    ] {
        gateway.refused(ask(RUN, &claim), &[], "FHE_CLAIM_INVALID");
    }
    gateway.refused(ask(&"ff".repeat(16), &claim), &[], "FHE_CLAIM_INVALID");
    let (_, signed) = gateway.ask(ask(RUN, &claim), &[]).expect("signs");
    verify(gateway, &signed[0], &digest_text(&sha256(&circuit)));
    gateway.refused(ask(RUN, &claim), &[], "FHE_CLAIM_INVALID");
}

fn verify(gateway: &mut Gateway, signed: &[u8], circuit: &str) {
    let document: Value = serde_json::from_slice(signed).expect("is JSON");
    assert_eq!(encode_jcs(&document).expect("encodes"), signed);
    let (hello, _) = gateway.ask(json!({ "op": "hello" }), &[]).expect("greets");
    let claim = &document["claim"];
    assert_eq!((&claim["engine"]["key"], &claim["engine"]["build"]), (&hello["publicKey"], &hello["build"]));
    assert_eq!((&claim["circuitDigest"], &claim["pbs"]), (&json!(circuit), &json!(8)));
    let key = unhex_array(hello["publicKey"].as_str().expect("is text")).expect("is hexadecimal");
    let signature = unhex_array(document["signature"].as_str().expect("is text")).expect("is hexadecimal");
    let message = [b"triseal.fhe.claim.v1\0".as_slice(), &encode_jcs(claim).expect("encodes")].concat();
    VerifyingKey::from_bytes(&key)
        .expect("is a key")
        .verify_strict(&message, &Signature::from_bytes(&signature))
        .expect("holds");
}

fn cancels(gateway: &mut Gateway, kept: &Kept, values: &[Vec<u8>; 2]) {
    let nodes: Vec<Value> =
        (0..5000).map(|at| json!([[[if at == 0 { 0 } else { at + 3 }, 1]], 0, [vec![1; 16]]])).collect();
    let chain =
        json!({ "v": 1, "kind": "radix", "inputs": ["u8"], "nodes": nodes, "outputs": [{ "t": "u2", "w": [5003] }] });
    let run = json!({ "op": "run", "run": RUN, "keyId": kept.key, "seed": "00".repeat(32) });
    let parts = [chain.to_string().into_bytes(), values[0].clone()];
    let (first, second) = (gateway.send(run.clone(), &parts), gateway.send(run, &parts));
    // Others are answered meanwhile.
    gateway.ask(json!({ "op": "hello" }), &[]).expect("greets");
    for target in [first, second, 4_000_000_000] {
        gateway.ask(json!({ "op": "cancel", "target": target }), &[]).expect("is taken");
    }
    for id in [first, second] {
        assert_eq!(gateway.wait(id).expect_err("is cancelled"), "FHE_CANCELLED");
    }
}

fn opens_lists(gateway: &mut Gateway, kept: &Kept, other: &Kept) {
    let (made, _) = gateway.ask(json!({ "op": "crs" }), &[]).expect("is made");
    let (again, _) = gateway.ask(json!({ "op": "crs" }), &[]).expect("is found");
    assert_eq!((&made["digest"], &made["bytes"]), (&again["digest"], &again["bytes"]));
    let crs = made["digest"].as_str().expect("is text").to_owned();
    let file = gateway.folder.join("list");
    let keys = gateway.folder.join("keys");
    prove(&keys, kept, &crs, &file);
    let list = fs::read(&file).expect("is written");
    let open = |public: &str, metadata: &str| json!({ "op": "open-list", "keyId": kept.key, "publicKey": public, "crs": crs, "metadata": metadata });
    gateway.refused(open(&kept.public, "00fe"), std::slice::from_ref(&list), "FHE_INPUT_PROOF_INVALID");
    gateway.refused(open(&kept.public, ""), std::slice::from_ref(&list), "FHE_INPUT_PROOF_INVALID");
    gateway.refused(open(&other.public, "00ff"), std::slice::from_ref(&list), "FHE_INPUT_FOREIGN_KEY");
    gateway.refused(open(&crs, "00ff"), std::slice::from_ref(&list), "FHE_KEY_INVALID");
    let mut foreign = open(&other.public, "00ff");
    foreign["keyId"] = json!(other.key);
    gateway.refused(foreign, std::slice::from_ref(&list), "FHE_INPUT_FOREIGN_KEY");
    let mut altered = list.clone();
    // Inside the ciphertexts, which the proof is about.
    altered[9000] ^= 1;
    gateway.refused(open(&kept.public, "00ff"), &[altered], "FHE_INPUT_PROOF_INVALID");
    gateway.refused(open(&kept.public, "00ff"), &[list[..list.len() - 1].to_vec()], "FHE_INPUT_MALFORMED");
    gateway.refused(open(&kept.public, "00ff"), &[b"".to_vec()], "FHE_INPUT_MALFORMED");
    let (opened, values) = gateway.ask(open(&kept.public, "00ff"), &[list]).expect("opens");
    assert_eq!(opened["types"], json!(["u8", "bool", "i16"]));
    let clear = ["u8", "bool", "i16"]
        .iter()
        .zip(&values)
        .map(|(kind, bytes)| decrypted(gateway, ValueType::parse(kind).expect("is a type"), bytes));
    assert_eq!(clear.collect::<Vec<_>>(), [json!("200"), json!("true"), json!("-7")]);
    let digest = unhex_array(&crs).expect("is a digest");
    assert!(CheckRecords::at(&keys.join("checked")).has(&digest), "the engine recorded its check");
}

fn prove(keys: &Path, kept: &Kept, crs: &str, out: &Path) {
    let values = ["u8:200", "bool:true", "i16:-7"].map(str::to_owned);
    let (public_key, crs) = (keys.join(&kept.public), keys.join(crs));
    let checked = &CheckRecords::none();
    prove_file(&Proving { public_key: &public_key, crs: &crs, metadata: &[0, 0xff], values: &values, checked }, out)
        .expect("proves");
}
