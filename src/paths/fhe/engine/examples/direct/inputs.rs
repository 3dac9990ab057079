//! Inputs of a request: compressed values in files, or numbers that are encrypted here before any time is taken.

use std::path::Path;

use serde_json::Value;
use triseal_fhe::failure::{Failure, Outcome};
use triseal_fhe::files::read_file;
use triseal_fhe::offline::encrypt;
use triseal_fhe::value::MAX_COMPRESSED;
use triseal_fhe::value_type::ValueType;

use crate::Keys;

/// The compressed inputs of a request, which names a file for each (`files`) or its clear value (`values`).
pub fn compressed(keys: &Keys, request: &Value, types: &[ValueType]) -> Outcome<Vec<Vec<u8>>> {
    if let Some(files) = request["files"].as_array() {
        let paths = files.iter().map(|file| file.as_str().unwrap_or_default());
        return paths.map(|path| read_file(Path::new(path), MAX_COMPRESSED)).collect();
    }
    let values = request["values"].as_array().ok_or_else(|| Failure::usage("expected files or values"))?;
    let made = types.iter().zip(values).map(|(kind, value)| {
        let bits = value.as_str().and_then(|text| kind.parse_clear(text));
        let bits = bits.ok_or_else(|| Failure::usage(format!("expected a {kind}")))?;
        encrypt(&keys.client, *kind, bits).compress(keys.integer()?)
    });
    made.collect()
}
