//! Frames and messages: what is read, what is refused, and that nothing else happens.

use proptest::prelude::*;
use serde_json::{Value, json};
use triseal_fhe::frame::{Frame, MAX_BODY, MAX_HEAD, read_frame, write_frame};
use triseal_fhe::message::{Op, Refused, Request, read_request};

fn request(head: Value, body: &[u8]) -> Result<Request, Refused> {
    read_request(Frame { head: head.to_string().into_bytes(), body: body.to_vec() })
}

fn refused(head: Value, body: &[u8], id: u32, because: &str) {
    let Refused { id: on, failure } = request(head.clone(), body).expect_err("is refused");
    assert_eq!((on, failure.code), (id, "FHE_PROTOCOL"), "{head}");
    assert!(failure.message.contains(because), "{because}: {}", failure.message);
}

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const RUN: &str = "00112233445566778899aabbccddeeff";

#[test]
fn requests_are_read_with_their_parts() {
    let read = request(
        json!({ "v": 1, "id": 7, "op": "run", "run": RUN, "keyId": KEY, "seed": KEY, "parts": [2, 0, 1] }),
        b"abc",
    )
    .expect("is read");
    assert_eq!((read.id, read.parts()), (7, vec![&b"ab"[..], b"", b"c"]));
    assert_eq!(read.part().expect_err("has three").code, "FHE_PROTOCOL");
    let read = request(
        json!({ "v": 1, "id": 4294967295u32, "op": "check-key", "keyId": KEY, "publicKey": null, "parts": [] }),
        b"",
    )
    .expect("is read");
    assert!(matches!(read.op, Op::CheckKey { public_key: None, .. }));
    assert_eq!(
        request(json!({ "v": 1, "id": 0, "op": "cancel", "target": 7 }), b"").expect("is read").op,
        Op::Cancel { target: 7 }
    );
    let claim = json!({ "v": 1, "id": 1, "op": "claim", "run": RUN, "claim": { "v": 1 }, "parts": [] });
    assert!(matches!(request(claim, b"").expect("is read").op, Op::Claim { claim, .. } if claim.len() == 1));
}

#[test]
fn what_is_no_request_is_refused_on_its_id() {
    for (head, because) in [
        (json!({ "v": 2, "id": 3, "op": "hello" }), "version"),
        (json!({ "id": 3, "op": "hello" }), "version"),
        (json!({ "v": 1, "id": 3 }), "unknown op"),
        (json!({ "v": 1, "id": 3, "op": "goodbye" }), "unknown op"),
        (json!({ "v": 1, "id": 3, "op": ["hello"] }), "unknown op"),
        (json!({ "v": 1, "id": 3, "op": "hello", "keyId": KEY }), "unknown member `keyId`"),
        (json!({ "v": 1, "id": 3, "op": "check-key", "keyId": KEY }), "publicKey"),
        (json!({ "v": 1, "id": 3, "op": "check-key", "publicKey": null }), "keyId"),
        (
            json!({ "v": 1, "id": 3, "op": "check-key", "keyId": KEY.to_uppercase(), "publicKey": null }),
            "64 hexadecimal",
        ),
        (json!({ "v": 1, "id": 3, "op": "check-key", "keyId": &KEY[2..], "publicKey": null }), "64 hexadecimal"),
        (
            json!({ "v": 1, "id": 3, "op": "check-key", "keyId": format!("../{}", &KEY[3..]), "publicKey": null }),
            "64 hexadecimal",
        ),
        (
            json!({ "v": 1, "id": 3, "op": "open-list", "keyId": KEY, "publicKey": null, "crs": KEY, "metadata": "" }),
            "publicKey",
        ),
        (
            json!({ "v": 1, "id": 3, "op": "open-list", "keyId": KEY, "publicKey": KEY, "crs": KEY, "metadata": "0" }),
            "metadata",
        ),
        (json!({ "v": 1, "id": 3, "op": "import", "keyId": KEY, "type": "u7" }), "type"),
        (json!({ "v": 1, "id": 3, "op": "run", "run": KEY, "keyId": KEY, "seed": KEY }), "32 hexadecimal"),
        (json!({ "v": 1, "id": 3, "op": "claim", "run": RUN, "claim": [] }), "claim"),
        (json!({ "v": 1, "id": 3, "op": "cancel", "target": -1 }), "target"),
        (json!({ "v": 1, "id": 3, "op": "cancel", "target": 4294967296u64 }), "target"),
    ] {
        refused(head, b"", 3, because);
    }
    for id in [json!(null), json!("1"), json!(-1), json!(1.5), json!(4294967296u64)] {
        refused(json!({ "v": 1, "id": id, "op": "hello" }), b"", 0, "id");
    }
    for head in [json!([]), json!(null), json!(7)] {
        refused(head, b"", 0, "JSON object");
    }
}

#[test]
fn parts_are_the_whole_body() {
    for parts in [
        json!([1]),
        json!([1, 2]),
        json!([3]),
        json!(null),
        json!([-2, 4]),
        json!(["2"]),
        json!([2.0]),
        json!([u64::MAX, 3]),
    ] {
        refused(json!({ "v": 1, "id": 3, "op": "hello", "parts": parts }), b"ab", 3, "parts");
    }
    refused(json!({ "v": 1, "id": 3, "op": "hello" }), b"ab", 3, "parts");
    refused(json!({ "v": 1, "id": 3, "op": "hello", "parts": vec![0; 4097] }), b"", 3, "parts");
}

#[test]
fn frames_beyond_the_limits_end_the_connection() {
    let lengths = |head: u32, body: u32| [head.to_be_bytes(), body.to_be_bytes()].concat();
    for bytes in [
        lengths(MAX_HEAD + 1, 0),
        lengths(2, MAX_BODY + 1),
        lengths(u32::MAX, u32::MAX),
        lengths(2, 0),
        b"\0\0\0".to_vec(),
    ] {
        assert!(read_frame(&mut bytes.as_slice()).is_err(), "{bytes:?}");
    }
    assert!(matches!(read_frame(&mut &b""[..]), Ok(None)));
    let mut two = [lengths(2, 1), b"{}x".to_vec(), lengths(0, 0)].concat();
    two.extend_from_slice(b"");
    let mut input = two.as_slice();
    let frame = read_frame(&mut input).expect("is read").expect("is there");
    assert_eq!((frame.head.as_slice(), frame.body.as_slice()), (&b"{}"[..], &b"x"[..]));
    assert!(matches!(read_frame(&mut input), Ok(Some(Frame { head, body })) if head.is_empty() && body.is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn what_is_written_is_read(text in "[a-z]{0,20}", parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..5)) {
        let Value::Object(message) = json!({ "v": 1, "id": 9, "text": text }) else { unreachable!() };
        let mut bytes = Vec::new();
        write_frame(&mut bytes, message, &parts).expect("is written");
        let frame = read_frame(&mut bytes.as_slice()).expect("is read").expect("is there");
        prop_assert_eq!(frame.body, parts.concat());
        let head: Value = serde_json::from_slice(&frame.head).expect("is JSON");
        prop_assert_eq!(&head["parts"], &json!(parts.iter().map(Vec::len).collect::<Vec<_>>()));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut input = bytes.as_slice();
        while let Ok(Some(frame)) = read_frame(&mut input) {
            let _ = read_request(frame);
        }
    }

    #[test]
    fn a_message_with_any_change_is_read_or_refused(at in 0usize..220, byte: u8, body in prop::collection::vec(any::<u8>(), 0..9)) {
        let mut head = json!({ "v": 1, "id": 7, "op": "run", "run": RUN, "keyId": KEY, "seed": KEY, "parts": [2, 0, 1] }).to_string().into_bytes();
        let place = at % head.len();
        head[place] = byte;
        let length = body.len();
        if let Ok(request) = read_request(Frame { head, body }) {
            prop_assert_eq!(request.parts().iter().map(|part| part.len()).sum::<usize>(), length);
        }
    }
}
