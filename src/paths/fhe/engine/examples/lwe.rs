//! Times encrypted inference: `lwe CIRCUIT ROWS`, both files of JSON, ROWS a list of lists of integers. Prints one JSON object with the
//! outputs, for whoever compares them with the reference executor.

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde_json::json;
use triseal_fhe::control::Control;
use triseal_fhe::failure::{Failure, Outcome};
use triseal_fhe::lwe::cipher::{Input, decrypt, encrypt};
use triseal_fhe::lwe::circuit::Circuit;
use triseal_fhe::lwe::keys::{ServerKey, generate};
use triseal_fhe::lwe::run::run;

fn read(path: Option<String>) -> Outcome<Vec<u8>> {
    let fail = || Failure::usage("lwe CIRCUIT ROWS");
    std::fs::read(path.ok_or_else(fail)?).map_err(|_| fail())
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn measure() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let circuit = Circuit::parse(&read(arguments.next())?)?;
    let rows: Vec<Vec<u64>> = serde_json::from_slice(&read(arguments.next())?)
        .map_err(|_| Failure::usage("rows are lists of whole numbers"))?;
    let start = Instant::now();
    let (client, server) = generate()?;
    let keygen = milliseconds(start);
    let start = Instant::now();
    let key = ServerKey::parse(&server)?.expand();
    let expand = milliseconds(start);
    let (mut outputs, mut times) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    for row in &rows {
        let start = Instant::now();
        let bytes = encrypt(&client, row, circuit.exponent)?;
        times[0].push(milliseconds(start));
        let input = Input::parse(&bytes)?;
        let start = Instant::now();
        let output = run(&key, &circuit, &input, &Control::new(&AtomicBool::new(false), &|_, _| {}))?;
        times[1].push(milliseconds(start));
        let start = Instant::now();
        outputs.push(decrypt(&client, &circuit, &output)?);
        times[2].push(milliseconds(start));
    }
    let [encrypted, evaluated, decrypted] = times;
    let report = json!({"pbs": circuit.bootstraps(), "keygenMs": keygen, "expandMs": expand, "serverKeyBytes": server.len(),
        "keyBytes": key.bytes(), "encryptMs": encrypted, "evaluateMs": evaluated, "decryptMs": decrypted, "outputs": outputs,
        "threads": rayon::current_num_threads()});
    println!("{report}");
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
