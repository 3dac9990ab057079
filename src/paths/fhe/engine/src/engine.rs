//! The engine's operations, whoever asks for them.

use std::path::Path;
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::circuit::read_circuit;
use crate::claim::{Identity, RunRecord, RunRecords, sign_claim};
use crate::control::Control;
use crate::digest::{Hash, digest_text, hex, sha256};
use crate::failure::{Failure, Outcome};
use crate::files::read_file;
use crate::keys::{KeyStore, tag_of};
use crate::list::{CrsStore, MAX_PUBLIC_KEY, Opening, open_list, read_public_key};
use crate::message::{Op, Request};
use crate::parameters;
use crate::run::{RunInput, ValueCache, run};
use crate::signer::EngineSigner;
use crate::value::EncryptedValue;
use crate::value_type::ValueType;

/// Largest program file whose digest is taken.
const MAX_PROGRAM: u64 = 1 << 30;

/// Crate and library, as claims name them.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " tfhe 1.7.0");

/// Members and pieces of an answer.
#[derive(Debug)]
pub struct Answer {
    pub members: Map<String, Value>,
    pub parts: Vec<Vec<u8>>,
}

impl Answer {
    fn new(members: Value, parts: Vec<Vec<u8>>) -> Self {
        let Value::Object(members) = members else { return Self { members: Map::new(), parts } };
        Self { members, parts }
    }
}

/// An engine with its folder of keys.
pub struct Engine {
    keys: KeyStore,
    crs: CrsStore,
    values: ValueCache,
    runs: Mutex<RunRecords>,
    signer: EngineSigner,
    build: String,
}

impl Engine {
    /// An engine whose keys and values together take up to `cache` bytes: three quarters are for keys.
    pub fn new(folder: &Path, signer: EngineSigner, cache: u64) -> Outcome<Self> {
        let program = read_file(&std::env::current_exe()?, MAX_PROGRAM)?;
        Ok(Self {
            keys: KeyStore::new(folder, cache - cache / 4),
            crs: CrsStore::new(),
            values: ValueCache::new(cache / 4),
            runs: Mutex::default(),
            signer,
            build: digest_text(&sha256(&program)),
        })
    }

    /// Does what a request asks for. `cancel` is not asked of the engine but of who runs its requests.
    pub fn answer(&self, request: &mut Request, control: &Control) -> Outcome<Answer> {
        if let Op::Claim { run, claim } = &mut request.op {
            let (run, claim) = (*run, std::mem::take(claim));
            return self.claim(run, claim);
        }
        match &request.op {
            Op::Hello => Ok(Answer::new(
                json!({ "version": VERSION, "build": self.build, "parameters": parameters::NAME,
                    "publicKey": self.signer.public_key(), "threads": rayon::current_num_threads() }),
                Vec::new(),
            )),
            Op::Crs => {
                let (digest, bytes) = self.crs.of_folder(&self.keys)?;
                Ok(Answer::new(json!({ "digest": hex(&digest), "bytes": bytes }), Vec::new()))
            }
            Op::CheckKey { key, public_key } => self.check_key(key, public_key.as_ref()),
            Op::OpenList { key, public_key, crs, metadata } => {
                let public_key = read_public_key(&self.keys.file(public_key, MAX_PUBLIC_KEY)?)?;
                let crs = self.crs.load(&self.keys, crs)?;
                let key = self.keys.server_key(key)?;
                let key = key.integer()?;
                let opening = Opening { key, public_key: &public_key, crs: &crs, metadata };
                let values = open_list(request.part()?, &opening)?;
                control.checkpoint()?;
                let types: Value = values.iter().map(|value| value.kind.to_string()).collect();
                let parts = values.iter().map(|value| value.compress(key)).collect::<Outcome<_>>()?;
                Ok(Answer::new(json!({ "types": types }), parts))
            }
            Op::Import { key, kind } => self.import(key, *kind, request.part()?),
            Op::Expand { key, kind } => {
                let key = self.keys.server_key(key)?;
                let key = key.integer()?;
                let (value, _) = self.values.expand(*kind, request.part()?, key)?;
                Ok(Answer::new(json!({}), vec![value.to_bytes(&key.tag)?]))
            }
            Op::Run { run, key, seed } => self.run(*run, (key, seed), &request.parts(), control),
            Op::Claim { .. } | Op::Cancel { .. } => Err(Failure::internal("not an operation of the engine")),
        }
    }

    fn check_key(&self, key: &Hash, public_key: Option<&Hash>) -> Outcome<Answer> {
        let key = self.keys.server_key(key)?;
        if let Some(digest) = public_key {
            let public_key = read_public_key(&self.keys.file(digest, MAX_PUBLIC_KEY)?)?;
            if tag_of(&public_key).as_ref() != Some(key.tag()) {
                return Err(Failure::key("public and server key are of different key sets"));
            }
        }
        let (kind, tag) = (key.kind(), hex(key.tag()));
        let members = json!({ "kind": kind, "tag": tag, "parameters": key.parameters(), "bytes": key.bytes() });
        Ok(Answer::new(members, Vec::new()))
    }

    fn import(&self, key: &Hash, kind: ValueType, bytes: &[u8]) -> Outcome<Answer> {
        let (value, tag) = EncryptedValue::from_bytes(kind, bytes)?;
        let key = self.keys.server_key(key)?;
        let key = key.integer()?;
        if tag != key.tag {
            return Err(Failure::new("FHE_INPUT_FOREIGN_KEY", "the ciphertext is of another key set"));
        }
        Ok(Answer::new(json!({}), vec![value.compress(key)?]))
    }

    fn run(&self, id: [u8; 16], (key_id, seed): (&Hash, &Hash), parts: &[&[u8]], control: &Control) -> Outcome<Answer> {
        let (circuit, inputs) = parts.split_first().ok_or_else(|| Failure::protocol("expected a circuit"))?;
        let (circuit, circuit_digest) = read_circuit(circuit)?;
        let key = self.keys.server_key(key_id)?;
        let input = RunInput { circuit: &circuit, circuit_digest: &circuit_digest, seed, inputs };
        let result = run(&key, &self.values, &input, control)?;
        let record = RunRecord {
            key_id: *key_id,
            parameters: key.parameters(),
            circuit_digest,
            seed: *seed,
            pbs: result.pbs,
            inputs: result.inputs.clone(),
            outputs: result.outputs.iter().map(|output| (output.kind.clone(), output.digest)).collect(),
        };
        self.runs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).keep(id, record)?;
        let inputs: Value = result.inputs.iter().map(|digest| hex(digest)).collect();
        let outputs: Value = result.outputs.iter().map(|output| hex(&output.digest)).collect();
        let parts = result.outputs.into_iter().map(|output| output.bytes).collect();
        Ok(Answer::new(json!({ "pbs": result.pbs, "inputs": inputs, "outputs": outputs }), parts))
    }

    fn claim(&self, run: [u8; 16], claim: Map<String, Value>) -> Outcome<Answer> {
        let mut runs = self.runs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let record = runs.find(&run)?;
        let identity = Identity { signer: &self.signer, build: &self.build, version: VERSION };
        let signed = sign_claim(claim, &record, &identity)?;
        runs.forget(&run);
        Ok(Answer::new(json!({}), vec![signed]))
    }
}
