//! A long-lived prover for a supervising process: one key, many proofs. Each request on standard input is one line of
//! JSON, `{"id", "bytes"}`, and then that many bytes of a `.wtns` file; each answer on standard output is one line.
//! Nothing touches the disk. To cancel a proof, end the process.

use std::io::{BufRead, BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::document::{proof_document, signals_document};
use crate::failure::{Failure, Outcome};
use crate::prove::prove;
use crate::wtns::read_witness;
use crate::zkey::ProvingKey;

const MAX_LINE: u64 = 4096;

/// Answers requests until standard input ends.
pub fn serve(key: &ProvingKey, input: impl Read, mut output: impl Write) -> Outcome<()> {
    let mut input = BufReader::new(input);
    let ready = json!({ "ready": true, "wires": key.wires, "publicSignals": key.public_signals, "domain": key.domain });
    writeln!(output, "{ready}")?;
    output.flush()?;
    while let Some((id, witness)) = next_request(&mut input, key)? {
        let started = Instant::now();
        let answer = match answer(key, &witness) {
            Ok((proof, signals)) => {
                let ms = started.elapsed().as_secs_f64() * 1000.0;
                json!({ "id": id, "proof": proof, "publicSignals": signals, "ms": ms })
            }
            Err(failure) => json!({ "id": id, "error": { "code": failure.code, "message": failure.message } }),
        };
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

/// The next request; none at the end of the input. A malformed one ends the process: the stream cannot be trusted after it.
fn next_request(input: &mut impl BufRead, key: &ProvingKey) -> Outcome<Option<(String, Zeroizing<Vec<u8>>)>> {
    let mut line = Vec::new();
    input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let head: Value = serde_json::from_slice(&line).map_err(|_| Failure::usage("expected a line of JSON"))?;
    let (Some(id), Some(bytes)) = (head["id"].as_str(), head["bytes"].as_u64()) else {
        return Err(Failure::usage("expected `id` and `bytes`"));
    };
    // Header, section table and values: any other length cannot be a witness of this key.
    if bytes > key.wires as u64 * 32 + 4096 {
        return Err(Failure::usage("`bytes` is more than a witness of this key has"));
    }
    let mut witness = Zeroizing::new(vec![0u8; bytes as usize]);
    input.read_exact(&mut witness)?;
    Ok(Some((id.to_owned(), witness)))
}

fn answer(key: &ProvingKey, witness: &[u8]) -> Outcome<(Value, Value)> {
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        let witness = Zeroizing::new(read_witness(witness, key.wires)?);
        prove(key, &witness)
    }));
    let proof = attempt.map_err(|_| Failure::internal("the prover panicked"))??;
    Ok((proof_document(&proof), signals_document(&proof)))
}
