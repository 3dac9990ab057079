//! Times what `prove` does, part by part: `prove_parts PUBLIC_KEY CRS [ROUNDS]`. Prints one JSON object of milliseconds.

use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;
use tfhe::conformance::ParameterSetConformant;
use tfhe::core_crypto::prelude::LweCiphertextCount;
use tfhe::safe_serialization::{safe_deserialize, safe_serialize};
use tfhe::zk::{CompactPkeCrs, ZkComputeLoad, new_compact_pke_crs_conformance_params};
use tfhe::{CompactPublicKey, ProvenCompactCiphertextList};
use triseal_fhe::failure::{Failure, Outcome};
use triseal_fhe::list::{MAX_CRS, MAX_LIST, read_public_key};
use triseal_fhe::parameters;

fn timed<T>(times: &mut Vec<f64>, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let made = work();
    times.push(start.elapsed().as_secs_f64() * 1e3);
    made
}

fn prove(key: &CompactPublicKey, crs: &CompactPkeCrs, load: ZkComputeLoad) -> Outcome<ProvenCompactCiphertextList> {
    let mut builder = ProvenCompactCiphertextList::builder(key);
    builder.push(5u64).push(7u64);
    builder.build_with_proof_packed(crs, b"metadata", load).map_err(|error| Failure::internal(error.to_string()))
}

fn measure() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = || Failure::usage("prove_parts PUBLIC_KEY CRS [ROUNDS]");
    let mut file = || std::fs::read(arguments.next().ok_or_else(usage)?).map_err(|_| usage());
    let (key, crs) = (file()?, file()?);
    let rounds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(3);
    let key = read_public_key(&key)?;
    let conformance = new_compact_pke_crs_conformance_params(
        parameters::public_key().0,
        LweCiphertextCount(parameters::LIST_BITS / 4),
    )
    .map_err(|e| Failure::internal(e.to_string()))?;
    let mut t: [Vec<f64>; 6] = Default::default();
    let mut sizes = (0, 0);
    for _ in 0..rounds {
        let made = timed(&mut t[0], || safe_deserialize::<CompactPkeCrs>(crs.as_slice(), MAX_CRS));
        let made = made.map_err(|_| usage())?;
        if !timed(&mut t[1], || made.is_conformant(&conformance)) {
            return Err(usage());
        }
        let list = timed(&mut t[2], || prove(&key, &made, ZkComputeLoad::Verify))?;
        let other = timed(&mut t[3], || prove(&key, &made, ZkComputeLoad::Proof))?;
        if timed(&mut t[4], || list.verify(&made, &key, b"metadata").is_invalid()) {
            return Err(usage());
        }
        if timed(&mut t[5], || other.verify(&made, &key, b"metadata").is_invalid()) {
            return Err(usage());
        }
        let mut bytes = Vec::new();
        safe_serialize(&list, &mut bytes, MAX_LIST).map_err(|e| Failure::internal(e.to_string()))?;
        let mut more = Vec::new();
        safe_serialize(&other, &mut more, MAX_LIST).map_err(|e| Failure::internal(e.to_string()))?;
        sizes = (bytes.len(), more.len());
    }
    let [read, check, verify_load, proof_load, verify, verify2] = t;
    println!(
        "{}",
        json!({"crsReadMs": read, "crsCheckMs": check, "proveVerifyLoadMs": verify_load, "proveProofLoadMs": proof_load,
        "verifyMs": verify, "verifyProofLoadMs": verify2, "bytes": [sizes.0, sizes.1], "threads": rayon::current_num_threads()})
    );
    Ok(())
}

fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}: {}", failure.code, failure.message);
            ExitCode::FAILURE
        }
    }
}
