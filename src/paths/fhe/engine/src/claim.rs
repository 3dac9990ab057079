//! Claims (SPEC section 7): what the engine signs is what it did, whatever it is asked to say.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::digest::{Hash, digest_text, hex, sha256};
use crate::failure::{Failure, Outcome};
use crate::jcs::encode_jcs;
use crate::signer::EngineSigner;

const CLAIM_DOMAIN: &[u8] = b"triseal.fhe.claim.v1\0";
const SEED_DOMAIN: &[u8] = b"triseal.fhe.seed.v1\0";
const MEMBERS: [&str; 9] =
    ["v", "programDigest", "inputs", "lists", "outputs", "reads", "writes", "factsDigest", "binding"];
/// How many runs may wait for their claim, and for how long.
const MAX_RUNS: usize = 64;
const MAX_AGE: Duration = Duration::from_secs(300);

/// What a run did.
#[derive(Clone)]
pub struct RunRecord {
    pub key_id: Hash,
    pub parameters: &'static str,
    pub circuit_digest: Hash,
    pub seed: Hash,
    pub pbs: usize,
    pub inputs: Vec<Hash>,
    /// Type and digest of each output.
    pub outputs: Vec<(String, Hash)>,
}

/// Runs until they are claimed, are too old or too many.
#[derive(Default)]
pub struct RunRecords(VecDeque<([u8; 16], Instant, RunRecord)>);

impl RunRecords {
    /// Keeps a run. Refused where one of that name waits already.
    pub fn keep(&mut self, run: [u8; 16], record: RunRecord) -> Outcome<()> {
        self.forget_old();
        if self.0.iter().any(|(other, ..)| *other == run) {
            return Err(Failure::protocol("a run of that name waits for its claim"));
        }
        if self.0.len() == MAX_RUNS {
            self.0.pop_front();
        }
        self.0.push_back((run, Instant::now(), record));
        Ok(())
    }

    /// The run of that name.
    pub fn find(&mut self, run: &[u8; 16]) -> Outcome<RunRecord> {
        self.forget_old();
        let found = self.0.iter().find(|(other, ..)| other == run).map(|(.., record)| record.clone());
        found.ok_or_else(|| Failure::claim("no run of that name waits for its claim"))
    }

    /// Forgets a run that was claimed.
    pub fn forget(&mut self, run: &[u8; 16]) {
        self.0.retain(|(other, ..)| other != run);
    }

    fn forget_old(&mut self) {
        self.0.retain(|(_, since, _)| since.elapsed() < MAX_AGE);
    }
}

/// Who signs.
pub struct Identity<'a> {
    pub signer: &'a EngineSigner,
    pub build: &'a str,
    pub version: &'a str,
}

/// The signed document, in JCS form. Inputs, outputs and seed must be those of the run.
pub fn sign_claim(mut claim: Map<String, Value>, record: &RunRecord, identity: &Identity) -> Outcome<Vec<u8>> {
    if claim.len() != MEMBERS.len() || !MEMBERS.iter().all(|name| claim.contains_key(*name)) || claim["v"] != json!(1) {
        return Err(Failure::claim("the claim has other members than it must"));
    }
    check_inputs(&claim["inputs"], &record.inputs)?;
    check_outputs(&claim["outputs"], &record.outputs)?;
    check_seed(&claim["binding"], &record.seed)?;
    let Identity { signer, build, version } = identity;
    claim.insert("engine".into(), json!({ "key": signer.public_key(), "build": build, "version": version }));
    claim.insert("circuitDigest".into(), digest_text(&record.circuit_digest).into());
    claim.insert("pbs".into(), record.pbs.into());
    claim.insert("seed".into(), hex(&record.seed).into());
    claim.insert("parameters".into(), record.parameters.into());
    claim.insert("keyId".into(), hex(&record.key_id).into());
    let claim = Value::Object(claim);
    let signature = signer.sign(&[CLAIM_DOMAIN, &encode_jcs(&claim)?].concat());
    encode_jcs(&json!({ "claim": claim, "signature": signature }))
}

fn objects(value: &Value) -> Outcome<Vec<&Map<String, Value>>> {
    let list = value.as_array().and_then(|list| list.iter().map(Value::as_object).collect());
    list.ok_or_else(|| Failure::claim("expected an array of objects"))
}

fn has(members: &Map<String, Value>, names: &[&str]) -> bool {
    members.len() == names.len() && names.iter().all(|name| members.contains_key(*name))
}

fn check_inputs(value: &Value, ran: &[Hash]) -> Outcome<()> {
    let mut digests = Vec::new();
    for input in objects(value)? {
        if has(input, &["n", "digest", "handle"]) {
            digests.push(input["digest"].as_str().unwrap_or_default());
        } else if !has(input, &["n", "clear"]) {
            return Err(Failure::claim("an input: expected a digest with its handle, or a clear value"));
        }
    }
    if digests.iter().copied().eq(ran.iter().map(digest_text)) {
        return Ok(());
    }
    Err(Failure::claim("the inputs are not those of the run"))
}

fn check_outputs(value: &Value, ran: &[(String, Hash)]) -> Outcome<()> {
    let outputs = objects(value)?;
    let is_same = |(output, (kind, digest)): (&&Map<String, Value>, &(String, Hash))| {
        has(output, &["n", "t", "digest", "handle"])
            && output["t"].as_str() == Some(kind)
            && output["digest"].as_str() == Some(&digest_text(digest))
    };
    if outputs.len() == ran.len() && outputs.iter().zip(ran).all(is_same) {
        return Ok(());
    }
    Err(Failure::claim("the outputs are not those of the run"))
}

/// The seed follows from the binding: whoever asks for the run must not choose its randomness.
fn check_seed(binding: &Value, seed: &Hash) -> Outcome<()> {
    let mut binding = binding.as_object().cloned().ok_or_else(|| Failure::claim("expected a binding"))?;
    binding.remove("responseDigest").ok_or_else(|| Failure::claim("the binding has no response digest"))?;
    if sha256(&[SEED_DOMAIN, &encode_jcs(&Value::Object(binding))?].concat()) == *seed {
        return Ok(());
    }
    Err(Failure::claim("the seed of the run does not follow from the binding"))
}
