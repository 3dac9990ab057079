//! JCS (RFC 8785) for what claims consist of: ASCII text and safe integers. Anything else is refused rather than rounded or escaped.

use serde_json::Value;

use crate::failure::{Failure, Outcome};

const MAX_SAFE: i64 = (1 << 53) - 1;
const MAX_DEPTH: usize = 16;

/// The canonical bytes of a value.
pub fn encode_jcs(value: &Value) -> Outcome<Vec<u8>> {
    let mut out = Vec::new();
    write_value(value, MAX_DEPTH, &mut out)?;
    Ok(out)
}

fn write_value(value: &Value, depth: usize, out: &mut Vec<u8>) -> Outcome<()> {
    let Some(inside) = depth.checked_sub(1) else {
        return Err(Failure::claim("the document is nested too deeply"));
    };
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(flag) => out.extend_from_slice(flag.to_string().as_bytes()),
        Value::Number(number) => {
            let integer = number.as_i64().filter(|integer| (-MAX_SAFE..=MAX_SAFE).contains(integer));
            let integer = integer.ok_or_else(|| Failure::claim("expected integers that every reader holds exactly"))?;
            out.extend_from_slice(integer.to_string().as_bytes());
        }
        Value::String(text) => write_text(text, out)?,
        Value::Array(list) => {
            out.push(b'[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_value(item, inside, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            // Of ASCII names the order by UTF-16 units is that of bytes.
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_unstable();
            out.push(b'{');
            for (at, name) in names.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_text(name, out)?;
                out.push(b':');
                write_value(&members[name], inside, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_text(text: &str, out: &mut Vec<u8>) -> Outcome<()> {
    if !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err(Failure::claim("expected printable ASCII text"));
    }
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::encode_jcs;

    #[test]
    fn members_are_sorted_and_nothing_is_spaced() {
        let value = json!({ "b": [1, -2, null, true], "a": "x\"\\y", "A": {} });
        assert_eq!(encode_jcs(&value).expect("encodes"), br#"{"A":{},"a":"x\"\\y","b":[1,-2,null,true]}"#);
    }

    #[test]
    fn what_has_no_one_form_here_is_refused() {
        let mut deep = json!(1);
        for _ in 0..20 {
            deep = json!([deep]);
        }
        for value in [
            json!(1.5),
            json!(1.0),
            json!(9007199254740992i64),
            json!(u64::MAX),
            json!("é"),
            json!("\n"),
            json!({"é": 1}),
            deep,
        ] {
            assert_eq!(encode_jcs(&value).expect_err("is refused").code, "FHE_CLAIM_INVALID", "{value}");
        }
    }
}
