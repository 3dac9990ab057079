//! What the numbers of a service stand beside: tfhe-rs called directly, in one process that holds its keys. `direct SERVER_KEY CLIENT_KEY
//! PUBLIC_KEY CRS` reads one JSON request a line and answers each with one line: `{"op": "circuit" | "usual" | "list" | "client", …}`.
//! Times are milliseconds.

mod client;
mod inputs;
mod usual;

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde_json::{Value, json};
use tfhe::zk::CompactPkeCrs;
use tfhe::{ClientKey, CompactPublicKey};
use triseal_fhe::circuit::{Circuit, read_circuit};
use triseal_fhe::control::Control;
use triseal_fhe::digest::{Hash, digest_text, hex};
use triseal_fhe::failure::{Failure, Outcome};
use triseal_fhe::files::read_file;
use triseal_fhe::keys::{IntegerKey, KeyTag, LoadedKey, MAX_SERVER_KEY};
use triseal_fhe::list::{MAX_CRS, MAX_PUBLIC_KEY, read_crs, read_public_key};
use triseal_fhe::offline::{decrypt, read_client_key};
use triseal_fhe::run::{RunInput, ValueCache, run};
use triseal_fhe::value::EncryptedValue;

const MAX_CIRCUIT: u64 = 16 << 20;

/// The keys of one set, as whoever calls tfhe-rs directly has them: read once.
pub struct Keys {
    server: LoadedKey,
    pub client: ClientKey,
    pub tag: KeyTag,
    pub public: CompactPublicKey,
    pub crs: CompactPkeCrs,
}

impl Keys {
    fn read(arguments: &[String]) -> Outcome<Self> {
        let [server, client, public, crs] = arguments else {
            return Err(Failure::usage("direct SERVER_KEY CLIENT_KEY PUBLIC_KEY CRS"));
        };
        let (client, tag) = read_client_key(Path::new(client))?;
        Ok(Self {
            server: LoadedKey::from_bytes(&read_file(Path::new(server), MAX_SERVER_KEY)?)?,
            client,
            tag,
            public: read_public_key(&read_file(Path::new(public), MAX_PUBLIC_KEY)?)?,
            crs: read_crs(&read_file(Path::new(crs), MAX_CRS)?)?,
        })
    }

    /// The server key.
    pub fn integer(&self) -> Outcome<&IntegerKey> {
        self.server.integer()
    }
}

/// Milliseconds since then.
pub fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// A text member of a request.
pub fn text<'a>(request: &'a Value, name: &str) -> Outcome<&'a str> {
    request[name].as_str().ok_or_else(|| Failure::usage(format!("expected {name}")))
}

/// The engine's own run of a circuit, from compressed bytes to compressed bytes; nothing is kept between two.
fn run_circuit(keys: &Keys, request: &Value) -> Outcome<Value> {
    let (circuit, circuit_digest) = read_circuit(&read_file(Path::new(text(request, "circuit")?), MAX_CIRCUIT)?)?;
    let Circuit::Radix(radix) = &circuit else { return Err(Failure::usage("expected a radix circuit")) };
    let given = inputs::compressed(keys, request, &radix.inputs)?;
    let given: Vec<&[u8]> = given.iter().map(Vec::as_slice).collect();
    let (never, seed) = (AtomicBool::new(false), Hash::default());
    let nodes = Mutex::new((None, None));
    let start = Instant::now();
    let report = |done: usize, of: usize| {
        let Ok(mut seen) = nodes.lock() else { return };
        seen.0.get_or_insert_with(|| milliseconds(start));
        if done == of {
            seen.1 = Some(milliseconds(start));
        }
    };
    let input = RunInput { circuit: &circuit, circuit_digest: &circuit_digest, seed: &seed, inputs: &given };
    let result = run(&keys.server, &ValueCache::new(0), &input, &Control::new(&never, &report))?;
    let total = milliseconds(start);
    let (first, last) = *nodes.lock().map_err(|_| Failure::internal("poisoned"))?;
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    let values = result.outputs.iter().zip(&radix.outputs).map(|(output, of)| {
        let value = EncryptedValue::decompress(of.kind, &output.bytes, keys.integer()?)?;
        Ok(of.kind.clear_text(decrypt(&keys.client, &value)?))
    });
    Ok(json!({
        "ms": total, "loadMs": first, "computeMs": last - first, "storeMs": total - last, "pbs": result.pbs,
        // Expanding a block takes a bootstrap, too.
        "loadPbs": radix.inputs.iter().map(|kind| kind.blocks()).sum::<usize>(),
        "values": values.collect::<Outcome<Vec<_>>>()?,
        "digests": result.outputs.iter().map(|output| digest_text(&output.digest)).collect::<Value>(),
        "circuitDigest": hex(&circuit_digest),
    }))
}

fn answer(keys: &Keys, line: &str) -> Outcome<Value> {
    let request: Value = serde_json::from_str(line).map_err(|_| Failure::usage("expected a line of JSON"))?;
    match text(&request, "op")? {
        "circuit" => run_circuit(keys, &request),
        "usual" => usual::run(keys, &request),
        "list" => client::open(keys, &request),
        "prove" => client::prove(keys, &request),
        "client" => client::times(keys),
        "keygen" => client::keygen(request["parts"] == "all"),
        _ => Err(Failure::usage("unknown operation")),
    }
}

fn serve() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let start = Instant::now();
    let keys = Keys::read(&arguments)?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", json!({ "keysMs": milliseconds(start), "threads": rayon::current_num_threads() }))?;
    for line in std::io::stdin().lock().lines() {
        let said = answer(&keys, &line?).unwrap_or_else(|failure| json!({ "error": failure.to_string() }));
        writeln!(out, "{said}")?;
        out.flush()?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}: {}", failure.code, failure.message);
            ExitCode::FAILURE
        }
    }
}
