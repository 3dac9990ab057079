//! Real keys and ciphertexts: that runs compute what their circuits say, the same bytes each time, and which are refused.

mod common;
#[path = "common/keys.rs"]
mod keys;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{blocks_of, evaluate, radix, small_circuit};
use keys::{I8, Keys, U8, code, compressed, keys, open};
use serde_json::{Value, json};
use tfhe::prelude::Tagged;
use triseal_fhe::circuit::read_circuit;
use triseal_fhe::control::Control;
use triseal_fhe::digest::{Hash, sha256};
use triseal_fhe::execute::execute;
use triseal_fhe::failure::Outcome;
use triseal_fhe::keygen::{KeySet, key_bytes};
use triseal_fhe::keys::{LoadedKey, MAX_SERVER_KEY};
use triseal_fhe::offline::{decrypt, encrypt};
use triseal_fhe::run::{RunInput, RunResult, ValueCache, run};

fn run_once(cache: &ValueCache, document: &Value, seed: Hash, inputs: &[&[u8]]) -> Outcome<RunResult> {
    let (circuit, digest) = read_circuit(document.to_string().as_bytes())?;
    let never = AtomicBool::new(false);
    let input = RunInput { circuit: &circuit, circuit_digest: &digest, seed: &seed, inputs };
    run(&keys().loaded, cache, &input, &Control::new(&never, &|_, _| {}))
}

#[test]
fn a_run_gives_what_the_circuit_says() {
    let circuit = radix(&small_circuit()).expect("is a circuit");
    for (a, b) in [(255u64, 1u64), (91, 177)] {
        let inputs = [compressed(U8, a), compressed(U8, b)];
        let result =
            run_once(&ValueCache::new(1 << 20), &small_circuit(), [7; 32], &[&inputs[0], &inputs[1]]).expect("runs");
        let wires = evaluate(&circuit, &[blocks_of(a, 4), blocks_of(b, 4)].concat());
        for (output, expected) in result.outputs.iter().zip(&circuit.outputs) {
            let bits = expected.wires.iter().rev().fold(0, |bits, wire| bits << 2 | u64::from(wires[*wire as usize]));
            assert_eq!(open(expected.kind, &output.bytes), bits, "{a} {b} {}", output.kind);
            assert_eq!(output.digest, sha256(&output.bytes));
        }
        assert_eq!(open(U8, &result.outputs[0].bytes), (a + b) & 255);
        assert_eq!(result.inputs, inputs.each_ref().map(|bytes| sha256(bytes)));
    }
}

#[test]
fn a_run_is_the_same_hot_and_cold_and_follows_from_its_seed() {
    let inputs = [compressed(U8, 200), compressed(U8, 99)];
    let inputs = [inputs[0].as_slice(), inputs[1].as_slice()];
    let cache = ValueCache::new(16 << 20);
    let digests = |result: Outcome<RunResult>| -> Vec<Hash> {
        result.expect("runs").outputs.iter().map(|output| output.digest).collect()
    };
    let cold = digests(run_once(&cache, &small_circuit(), [1; 32], &inputs));
    assert_eq!(digests(run_once(&cache, &small_circuit(), [1; 32], &inputs)), cold);
    let other = digests(run_once(&cache, &small_circuit(), [2; 32], &inputs));
    assert!(other.iter().zip(&cold).all(|(other, cold)| other != cold));
}

/// Who makes a key set chooses its tag: another tenant's key can have the same.
#[test]
fn a_value_is_expanded_by_the_key_that_it_is_run_under_whatever_key_has_the_same_tag() {
    let Keys { set, loaded } = keys();
    let mut twin = KeySet::generate().expect("makes keys");
    twin.server.tag_mut().set_data(set.server.tag().data());
    let bytes = key_bytes(&twin.server, MAX_SERVER_KEY).expect("serialises");
    let twin = LoadedKey::from_bytes(&bytes).expect("loads");
    let value = compressed(U8, 77);
    let cache = ValueCache::new(16 << 20);
    for key in [&twin, loaded] {
        cache.expand(U8, &value, key.integer().expect("is integer")).expect("expands");
    }
    let (own, _) = cache.expand(U8, &value, loaded.integer().expect("is integer")).expect("expands");
    assert_eq!(decrypt(&set.client, &own).expect("decrypts"), 77);
}

#[test]
fn a_run_is_the_same_in_other_processes_and_with_other_threads() {
    let folder = std::env::temp_dir().join(format!("triseal-fhe-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("makes a folder");
    let inputs = [compressed(U8, 17), compressed(U8, 240)];
    let server = key_bytes(&keys().set.server, MAX_SERVER_KEY).expect("serialises");
    let circuit = small_circuit().to_string();
    for (name, bytes) in
        [("a", inputs[0].as_slice()), ("b", &inputs[1]), ("server", &server), ("circuit", circuit.as_bytes())]
    {
        std::fs::write(folder.join(name), bytes).expect("writes");
    }
    let here = run_once(&ValueCache::new(1 << 20), &small_circuit(), [5; 32], &[&inputs[0], &inputs[1]]).expect("runs");
    let expected: Vec<String> =
        here.outputs.iter().map(|output| triseal_fhe::digest::digest_text(&output.digest)).collect();
    for threads in ["1", "2"] {
        let said = replay(&folder, threads);
        assert_eq!(said["outputs"], json!(expected), "{threads} threads");
        assert_eq!((&said["pbs"], &said["seed"]), (&json!(8), &json!("05".repeat(32))));
    }
    std::fs::remove_dir_all(&folder).expect("removes the folder");
}

fn replay(folder: &Path, threads: &str) -> Value {
    let file = |name: &str| folder.join(name).into_os_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_triseal-fhe"));
    command.args(["replay", "--json", "--threads", threads, "--seed", &"05".repeat(32)]);
    command.arg("--server").arg(file("server")).arg("--circuit").arg(file("circuit"));
    let output = command.arg("--input").arg(file("a")).arg("--input").arg(file("b")).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("prints JSON")
}

#[test]
fn runs_at_once_give_what_each_gives_alone() {
    // Values of 32 blocks: each is compressed by all threads of the pool.
    let mut document = small_circuit();
    document["outputs"] = vec![json!({ "t": "u64", "w": vec![8; 32] }); 8].into();
    let inputs = [compressed(U8, 200), compressed(U8, 100)];
    let inputs = [inputs[0].as_slice(), inputs[1].as_slice()];
    let cache = ValueCache::new(1 << 26);
    let digests = |result: RunResult| result.outputs.iter().map(|output| output.digest).collect::<Vec<_>>();
    let alone = digests(run_once(&cache, &document, [7; 32], &inputs).expect("runs"));
    std::thread::scope(|scope| {
        let run = || digests(run_once(&cache, &document, [7; 32], &inputs).expect("runs"));
        let running: Vec<_> = (0..12).map(|_| scope.spawn(run)).collect();
        for run in running {
            assert_eq!(run.join().expect("does not panic"), alone);
        }
    });
}

#[test]
fn a_cancelled_run_ends_between_two_nodes() {
    let key = keys().loaded.integer().expect("is integer");
    // A chain: each node reads the one before it.
    let nodes: Vec<Value> =
        (0..200).map(|at| json!([[[if at == 0 { 0 } else { at + 3 }, 1]], 0, [vec![1; 16]]])).collect();
    let document =
        json!({ "v": 1, "kind": "radix", "inputs": ["u8"], "nodes": nodes, "outputs": [{ "t": "u2", "w": [203] }] });
    let circuit = radix(&document).expect("is a circuit");
    let flag = AtomicBool::new(false);
    let seen = AtomicBool::new(false);
    let report = |done: usize, of: usize| {
        assert_eq!(of, 200);
        flag.store(done >= 3, Ordering::Relaxed);
        assert!(done <= 3);
        seen.store(true, Ordering::Relaxed);
    };
    let inputs = [encrypt(&keys().set.client, U8, 3)];
    assert_eq!(code(execute(key, &circuit, &inputs, &Control::new(&flag, &report))), "FHE_CANCELLED");
    assert!(seen.load(Ordering::Relaxed));
}

#[test]
fn runs_with_other_inputs_are_refused() {
    let cache = ValueCache::new(1 << 20);
    let good = compressed(U8, 5);
    let of = |inputs: &[&[u8]]| code(run_once(&cache, &small_circuit(), [0; 32], inputs));
    assert_eq!(of(&[&good]), "FHE_INPUT_TYPE");
    assert_eq!(of(&[&good, &good, &good]), "FHE_INPUT_TYPE");
    assert_eq!(of(&[&good, &compressed(I8, 5)]), "FHE_INPUT_TYPE");
    assert_eq!(of(&[&good, b""]), "FHE_INPUT_MALFORMED");
}

#[test]
fn server_keys_of_other_forms_are_refused() {
    let bytes = key_bytes(&keys().set.server, MAX_SERVER_KEY).expect("serialises");
    for bytes in [&bytes[..1000], &[bytes.as_slice(), b"x"].concat(), b"", &compressed(U8, 1)] {
        assert_eq!(code(LoadedKey::from_bytes(bytes)), "FHE_KEY_INVALID");
    }
    // Default parameters: another set.
    let client = tfhe::ClientKey::generate(tfhe::ConfigBuilder::default());
    let other = key_bytes(&tfhe::CompressedServerKey::new(&client), MAX_SERVER_KEY).expect("serialises");
    assert_eq!(code(LoadedKey::from_bytes(&other)), "FHE_KEY_INVALID");
}
