//! `triseal-prover`: the command line of the prover. Progress goes to standard error as JSON lines; the last line there
//! on failure is `{"error": {"code", "message"}}` and the exit status is 1, or 2 for a wrong command line.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Instant;

use ark_bn254::Fr;
use serde_json::{Value, json};
use triseal_prover::dev_setup::dev_setup;
use triseal_prover::document::{
    contributed_document, g1, g2, key_document, parse_key, parse_proof, proof_document, signals_document,
};
use triseal_prover::failure::{Failure, Outcome};
use triseal_prover::powers::Powers;
use triseal_prover::prepare::{Bound, apply_factor, contribute, prepare};
use triseal_prover::progress::report;
use triseal_prover::prove::prove;
use triseal_prover::r1cs::R1cs;
use triseal_prover::same_key::assert_same_key;
use triseal_prover::serve::serve;
use triseal_prover::verify::verify;
use triseal_prover::wtns::read_witness;
use triseal_prover::zkey::ProvingKey;

const USAGE: &str = "usage: triseal-prover COMMAND [--threads N] [--memory-mib N]
  dev-setup --r1cs FILE --zkey FILE --vk FILE   makes an insecure development key
  prepare --r1cs FILE --ptau FILE --ptau-sha256 HEX --zkey FILE   makes a key without a second phase
  contribute --from FILE --to FILE --circuit HEX --previous HEX   adds a contribution; prints what it did
  apply-factor --from FILE --to FILE --factor DECIMAL   adds a beacon's factor; prints delta
  same-key --prepared FILE --zkey FILE          ends with 0 where the key is the prepared one but for delta
  powers --ptau FILE --ptau-sha256 HEX          prints alpha and beta of the powers
  verification-key --zkey FILE --vk FILE        writes the part for verifiers
  prove --zkey FILE --wtns FILE --proof FILE --public FILE
  serve --zkey FILE                             proves what arrives on standard input
  verify --vk FILE --proof FILE --public FILE   prints `accepted` or `rejected`";

/// Largest JSON document that is read.
const MAX_DOCUMENT: u64 = 8 << 20;

type Options = HashMap<String, String>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    match options(arguments).and_then(|options| run(&command, &options)) {
        Ok(code) => code,
        Err(failure) => {
            let line = json!({ "error": { "code": failure.code, "message": failure.message } });
            let _ = writeln!(std::io::stderr(), "{line}");
            ExitCode::from(if failure.code == "USAGE" { 2 } else { 1 })
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Outcome<Options> {
    let mut options = Options::new();
    while let Some(name) = arguments.next() {
        let value = arguments.next().filter(|_| name.starts_with("--"));
        let value = value.ok_or_else(|| Failure::usage(USAGE))?;
        if options.insert(name[2..].to_owned(), value).is_some() {
            return Err(Failure::usage(format!("`{name}` stands twice")));
        }
    }
    Ok(options)
}

/// The values of exactly the named options, besides those that every command takes.
fn take<'a, const N: usize>(options: &'a Options, names: [&str; N]) -> Outcome<[&'a Path; N]> {
    let known = |name: &String| names.contains(&name.as_str()) || name == "threads" || name == "memory-mib";
    if !options.keys().all(known) || names.iter().any(|name| !options.contains_key(*name)) {
        return Err(Failure::usage(USAGE));
    }
    Ok(names.map(|name| Path::new(&options[name])))
}

fn number(options: &Options, name: &str) -> Outcome<Option<u64>> {
    let parsed = options.get(name).map(|text| text.parse().ok().filter(|number| *number > 0));
    parsed.map(|number| number.ok_or_else(|| Failure::usage(format!("`--{name}` takes a positive number")))).transpose()
}

fn run(command: &str, options: &Options) -> Outcome<ExitCode> {
    if let Some(mib) = number(options, "memory-mib")? {
        let bytes = mib.saturating_mul(1 << 20);
        rlimit::setrlimit(rlimit::Resource::AS, bytes, bytes)?;
    }
    if let Some(threads) = number(options, "threads")? {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads as usize).build_global();
        pool.map_err(|error| Failure::internal(error.to_string()))?;
    }
    match command {
        "dev-setup" => {
            let [r1cs, zkey, vk] = take(options, ["r1cs", "zkey", "vk"])?;
            let circuit = R1cs::open(r1cs)?;
            write_document(vk, &key_document(&dev_setup(&circuit, zkey)?))?;
            Ok(ExitCode::SUCCESS)
        }
        "prepare" => {
            let [r1cs, ptau, sha256, zkey] = take(options, ["r1cs", "ptau", "ptau-sha256", "zkey"])?;
            prepare(&R1cs::open(r1cs)?, ptau, &sha256.to_string_lossy(), zkey)?;
            Ok(ExitCode::SUCCESS)
        }
        "contribute" => {
            let [from, to, circuit, previous] = take(options, ["from", "to", "circuit", "previous"])?;
            let bound = Bound { circuit: hash_of(circuit)?, previous: hash_of(previous)? };
            println!("{}", contributed_document(&contribute(from, to, &bound)?));
            Ok(ExitCode::SUCCESS)
        }
        "apply-factor" => {
            let [from, to, factor] = take(options, ["from", "to", "factor"])?;
            let factor = Fr::from_str(&factor.to_string_lossy()).map_err(|_| Failure::usage(USAGE))?;
            let (delta1, delta2) = apply_factor(from, to, factor)?;
            println!("{}", json!({ "delta1": g1(&delta1), "delta2": g2(&delta2) }));
            Ok(ExitCode::SUCCESS)
        }
        "same-key" => {
            let [prepared, zkey] = take(options, ["prepared", "zkey"])?;
            assert_same_key(prepared, zkey)?;
            Ok(ExitCode::SUCCESS)
        }
        "powers" => {
            let [ptau, sha256] = take(options, ["ptau", "ptau-sha256"])?;
            let powers = Powers::open(ptau, &sha256.to_string_lossy(), 2)?;
            println!("{}", json!({ "alpha": g1(&powers.alpha_tau1[0]), "beta": g2(&powers.beta2) }));
            Ok(ExitCode::SUCCESS)
        }
        "verification-key" => {
            let [zkey, vk] = take(options, ["zkey", "vk"])?;
            write_document(vk, &key_document(&ProvingKey::open(zkey)?.vk))?;
            Ok(ExitCode::SUCCESS)
        }
        "prove" => prove_once(take(options, ["zkey", "wtns", "proof", "public"])?),
        "serve" => {
            let [zkey] = take(options, ["zkey"])?;
            serve(&ProvingKey::open(zkey)?, std::io::stdin().lock(), std::io::stdout().lock())?;
            Ok(ExitCode::SUCCESS)
        }
        "verify" => {
            let [vk, proof, public] = take(options, ["vk", "proof", "public"])?;
            let key = parse_key(&read_document(vk)?)?;
            let holds = verify(&key, &parse_proof(&read_document(proof)?, &read_document(public)?)?)?;
            println!("{}", if holds { "accepted" } else { "rejected" });
            Ok(ExitCode::from(if holds { 0 } else { 10 }))
        }
        _ => Err(Failure::usage(USAGE)),
    }
}

/// 32 bytes from 64 hexadecimal digits.
fn hash_of(text: &Path) -> Outcome<[u8; 32]> {
    let text = text.to_string_lossy();
    let mut bytes = [0u8; 32];
    if text.len() != 64 || !text.is_ascii() {
        return Err(Failure::usage(USAGE));
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| Failure::usage(USAGE))?;
    }
    Ok(bytes)
}

fn prove_once([zkey, wtns, proof_file, public_file]: [&Path; 4]) -> Outcome<ExitCode> {
    report("load", 1, 3);
    let key = ProvingKey::open(zkey)?;
    if std::fs::metadata(wtns)?.len() > key.wires as u64 * 32 + 4096 {
        return Err(Failure::witness("the witness is too large for this key"));
    }
    let witness = read_witness(&std::fs::read(wtns)?, key.wires)?;
    report("prove", 2, 3);
    let started = Instant::now();
    let proof = prove(&key, &witness)?;
    let ms = started.elapsed().as_secs_f64() * 1000.0;
    write_document(proof_file, &proof_document(&proof))?;
    write_document(public_file, &signals_document(&proof))?;
    println!("{}", json!({ "ms": ms }));
    Ok(ExitCode::SUCCESS)
}

fn read_document(path: &Path) -> Outcome<Value> {
    if std::fs::metadata(path)?.len() > MAX_DOCUMENT {
        return Err(Failure::format("the document is too large"));
    }
    serde_json::from_slice(&std::fs::read(path)?).map_err(|_| Failure::format("expected a JSON document"))
}

fn write_document(path: &Path, document: &Value) -> Outcome<()> {
    Ok(std::fs::write(path, format!("{document:#}\n"))?)
}
