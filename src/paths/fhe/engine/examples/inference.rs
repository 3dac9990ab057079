//! Encrypted inference beside other systems, one row at a time: `inference CIRCUIT` makes keys, prints one line of JSON, and answers
//! each line of standard input, a list of whole numbers, with one: the outputs and what each part took.

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde_json::{Value, json};
use triseal_fhe::control::Control;
use triseal_fhe::failure::{Failure, Outcome};
use triseal_fhe::lwe::cipher::{Input, decrypt, encrypt};
use triseal_fhe::lwe::circuit::Circuit;
use triseal_fhe::lwe::keys::{ClientKey, EvaluationKey, ServerKey, generate};
use triseal_fhe::lwe::run::run;

struct Peer {
    circuit: Circuit,
    client: ClientKey,
    key: EvaluationKey,
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn say(line: &Value) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

impl Peer {
    fn answer(&self, line: &str) -> Outcome<Value> {
        let row: Vec<u64> =
            serde_json::from_str(line).map_err(|_| Failure::usage("a row is a list of whole numbers"))?;
        let start = Instant::now();
        let bytes = encrypt(&self.client, &row, self.circuit.exponent)?;
        let encrypted = milliseconds(start);
        let start = Instant::now();
        let input = Input::parse(&bytes)?;
        let output = run(&self.key, &self.circuit, &input, &Control::new(&AtomicBool::new(false), &|_, _| {}))?;
        let evaluated = milliseconds(start);
        let start = Instant::now();
        let outputs = decrypt(&self.client, &self.circuit, &output)?;
        Ok(json!({"encryptMs": encrypted, "evaluateMs": evaluated, "decryptMs": milliseconds(start),
            "inputBytes": bytes.len(), "outputs": outputs}))
    }
}

fn serve() -> Outcome<()> {
    let usage = || Failure::usage("inference CIRCUIT");
    let file = std::env::args().nth(1).ok_or_else(usage)?;
    let circuit = Circuit::parse(&std::fs::read(file).map_err(|_| usage())?)?;
    let start = Instant::now();
    let (client, server) = generate()?;
    let keygen = milliseconds(start);
    let peer = Peer { key: ServerKey::parse(&server)?.expand(), circuit, client };
    say(&json!({"ready": true, "pbs": peer.circuit.bootstraps(), "keygenMs": keygen, "serverKeyBytes": server.len(),
        "threads": rayon::current_num_threads()}))?;
    for line in std::io::stdin().lock().lines() {
        let answer = peer.answer(&line?);
        say(&answer.unwrap_or_else(|failure| json!({ "error": failure.to_string() })))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
