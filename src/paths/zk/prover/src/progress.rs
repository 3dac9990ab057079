//! Progress of long work, one JSON line on standard error per step.

use std::io::Write;

/// Reports that `stage` has begun, the `step`-th of `steps`.
pub fn report(stage: &str, step: usize, steps: usize) {
    let line = serde_json::json!({ "stage": stage, "step": step, "steps": steps });
    // One write: lines of several threads must not mix. That nobody reads them is no reason to stop.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
