//! `triseal-fhe`: the command line of the engine. The last line on standard error on failure is `{"error": {"code",
//! "message"}}` with `--json`, and the exit status is 1, or 2 for a wrong command line.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use triseal_fhe::checked::CheckRecords;
use triseal_fhe::digest::{unhex, unhex_array};
use triseal_fhe::engine::Engine;
use triseal_fhe::failure::{Failure, Outcome};
use triseal_fhe::keygen::{write_key_set, write_lwe_key_set};
use triseal_fhe::lwe::offline::{decrypt_vector, encrypt_vector};
use triseal_fhe::offline::{Proving, Replaying, crs_file, decrypt_file, encrypt_file, prove_file, replay_files};
use triseal_fhe::options::Options;
use triseal_fhe::serve::serve;
use triseal_fhe::signer::EngineSigner;
use triseal_fhe::value_type::ValueType;

const USAGE: &str = "usage: triseal-fhe COMMAND [--threads N] [--memory-mib N] [--json]
  keygen [--kind integer|lwe] --out DIR            makes a key set; overwrites none
  crs --out FILE                                   makes a reference string for proofs
  encrypt --key client.key --type TYPE --value VALUE --out FILE
  prove --public public.key --crs FILE --metadata HEX --value TYPE:VALUE... [--checked DIR] --out FILE
                                                   DIR keeps records of reference strings that were checked in full
  decrypt --key client.key --type TYPE FILE        prints the value
  encrypt-vector --key client.key --circuit FILE --values N,N,... --out FILE
  decrypt-vector --key client.key --circuit FILE FILE
                                                   inputs and outputs of a circuit of kind lwe
  replay --server server.key --circuit FILE --seed HEX [--input FILE...] [--out DIR]
                                                   executes a run again; prints the digests of its outputs
  engine --socket PATH --keys DIR --signing-key FILE [--cache-bytes N]
TYPE is bool, u2 to u64 or i2 to i64. A VALUE of - reads values from standard input, one a line.";

/// What keys and values may take where nobody says: two keys and their values.
const CACHE_BYTES: u64 = 1 << 30;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    let is_json = arguments.iter().any(|argument| argument == "--json") || command == "engine";
    match Options::read(arguments).and_then(|options| run(&command, &options)) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(result)) => {
            let printed = if is_json { result.to_string() } else { plain(&result) };
            let written = writeln!(std::io::stdout(), "{printed}");
            if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(failure) => {
            let json = json!({ "error": { "code": failure.code, "message": failure.message } });
            let text = if is_json { json.to_string() } else { format!("triseal-fhe: {failure}") };
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::from(if failure.code == "USAGE" { 2 } else { 1 })
        }
    }
}

/// One member a line; the value alone where that is what was asked for.
fn plain(result: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (result.get("value"), result.as_object()) {
        (Some(value), _) => text(value),
        (None, Some(members)) => {
            members.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect::<Vec<_>>().join("\n")
        }
        (None, None) => text(result),
    }
}

fn run(command: &str, options: &Options) -> Outcome<Option<Value>> {
    limit(options)?;
    let wrong = |failure: Failure| if failure.message.is_empty() { Failure::usage(USAGE) } else { failure };
    match command {
        "keygen" => keygen(options).map(Some),
        "encrypt-vector" => vector(options).map(Some),
        "decrypt-vector" => options.only(&["key", "circuit"], 1).and_then(|()| {
            decrypt_vector(options.path("key")?, options.path("circuit")?, Path::new(&options.files[0])).map(Some)
        }),
        "crs" => options.only(&["out"], 0).and_then(|()| crs_file(options.path("out")?).map(Some)),
        "encrypt" => encrypt(options).map(Some),
        "prove" => prove(options).map(Some),
        "decrypt" => decrypt(options).map(Some),
        "replay" => replay(options).map(Some),
        "engine" => engine(options).map(|()| None),
        _ => Err(Failure::usage(USAGE)),
    }
    .map_err(wrong)
}

fn limit(options: &Options) -> Outcome<()> {
    if let Some(mib) = options.number("memory-mib")? {
        let bytes = mib.saturating_mul(1 << 20);
        rlimit::setrlimit(rlimit::Resource::AS, bytes, bytes)?;
    }
    if let Some(threads) = options.number("threads")? {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.min(4096) as usize).build_global();
        pool.map_err(|error| Failure::internal(error.to_string()))?;
    }
    Ok(())
}

fn keygen(options: &Options) -> Outcome<Value> {
    options.only(&["kind", "out"], 0)?;
    let out = options.path("out")?;
    match options.all("kind") {
        [] => write_key_set(out),
        [kind] if kind == "integer" => write_key_set(out),
        [kind] if kind == "lwe" => write_lwe_key_set(out),
        _ => Err(Failure::usage("--kind is integer or lwe")),
    }
}

fn vector(options: &Options) -> Outcome<Value> {
    options.only(&["key", "circuit", "values", "out"], 0)?;
    let values = options.text("values")?.split(',').map(str::parse).collect::<Result<Vec<u64>, _>>();
    let values = values.map_err(|_| Failure::usage("--values takes whole numbers between commas"))?;
    encrypt_vector(options.path("key")?, options.path("circuit")?, &values, options.path("out")?)
}

fn kind(options: &Options) -> Outcome<ValueType> {
    let name = options.text("type")?;
    ValueType::parse(name).ok_or_else(|| Failure::usage(format!("unknown type `{name}`")))
}

fn encrypt(options: &Options) -> Outcome<Value> {
    options.only(&["key", "type", "value", "out"], 0)?;
    encrypt_file(options.path("key")?, kind(options)?, options.text("value")?, options.path("out")?)
}

fn decrypt(options: &Options) -> Outcome<Value> {
    options.only(&["key", "type"], 1)?;
    decrypt_file(options.path("key")?, kind(options)?, Path::new(&options.files[0]))
}

fn prove(options: &Options) -> Outcome<Value> {
    options.only(&["public", "crs", "metadata", "value", "checked", "out"], 0)?;
    let metadata =
        unhex(options.text("metadata")?).ok_or_else(|| Failure::usage("--metadata takes hexadecimal digits"))?;
    let values = options.all("value");
    if values.is_empty() {
        return Err(Failure::usage(USAGE));
    }
    let (public_key, crs) = (options.path("public")?, options.path("crs")?);
    let is_none = options.all("checked").is_empty();
    let checked = &if is_none { CheckRecords::none() } else { CheckRecords::at(options.path("checked")?) };
    prove_file(&Proving { public_key, crs, metadata: &metadata, values, checked }, options.path("out")?)
}

fn replay(options: &Options) -> Outcome<Value> {
    options.only(&["server", "circuit", "seed", "input", "out"], 0)?;
    let seed =
        unhex_array(options.text("seed")?).ok_or_else(|| Failure::usage("--seed takes 64 hexadecimal digits"))?;
    let inputs: Vec<_> = options.all("input").iter().map(Into::into).collect();
    let (server_key, circuit) = (options.path("server")?, options.path("circuit")?);
    let out = if options.all("out").is_empty() { None } else { Some(options.path("out")?) };
    replay_files(&Replaying { server_key, circuit, inputs: &inputs, seed }, out)
}

fn engine(options: &Options) -> Outcome<()> {
    options.only(&["socket", "keys", "signing-key", "cache-bytes"], 0)?;
    let signer = EngineSigner::of_file(options.path("signing-key")?)?;
    let cache = options.number("cache-bytes")?.unwrap_or(CACHE_BYTES);
    let folder = options.path("keys")?;
    std::fs::create_dir_all(folder)?;
    serve(options.path("socket")?, Engine::new(folder, signer, cache)?)
}
