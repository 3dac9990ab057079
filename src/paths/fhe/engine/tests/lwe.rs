//! Encrypted inference: what is refused, that outputs are exact, and that noise is what SPEC section 9.3 says.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use triseal_fhe::control::Control;
use triseal_fhe::failure::Outcome;
use triseal_fhe::lwe::cipher::{Input, Output, decrypt, encrypt};
use triseal_fhe::lwe::circuit::Circuit;
use triseal_fhe::lwe::keys::{ClientKey, EvaluationKey, ServerKey, generate};
use triseal_fhe::lwe::parameters::PARAMETERS;
use triseal_fhe::lwe::run::run;

struct Keys {
    client: Vec<u8>,
    server: Vec<u8>,
    evaluation: EvaluationKey,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let (client, server) = generate().expect("randomness");
        let evaluation = ServerKey::parse(&server).expect("own key").expand();
        Keys { client: client.encode(), server, evaluation }
    })
}

fn client() -> ClientKey {
    ClientKey::parse(&keys().client).expect("own key")
}

/// Two inputs in steps of 2^59: their difference, and a lookup of their sum beside one of two half tables of the first.
const NODES: &str = r#"[["dot",[[0,1],[1,-1]],[3,59]],["dot",[[0,1],[1,1]],[0,0]],["lut",3,0,[0]],["lut",0,0,[1,2]]]"#;
const OUTPUTS: &str = "[[[2,59,1]],[[4,60,1]],[[5,60,1],[6,60,16]]]";

fn document(nodes: &str, outputs: &str) -> String {
    let square: Vec<String> = (0..16).map(|x| (x * x % 7).to_string()).collect();
    format!(
        r#"{{"inputs":{{"count":2,"exponent":59}},"kind":"lwe","nodes":{nodes},"outputs":{outputs},"parameters":"{PARAMETERS}","tables":[[60,[{}]],[60,[0,1,2,3,4,5,6,7]],[60,[7,6,5,4,3,2,1,0]]],"v":1}}"#,
        square.join(",")
    )
}

fn code<T>(outcome: Outcome<T>) -> &'static str {
    outcome.err().map_or("none", |failure| failure.code)
}

fn execute(circuit: &Circuit, input: &Input) -> Outcome<Output> {
    run(&keys().evaluation, circuit, input, &Control::new(&AtomicBool::new(false), &|_, _| {}))
}

#[test]
fn refuses_circuits_that_do_not_hold_the_rules() {
    let whole = document(NODES, OUTPUTS);
    let changes: [(&str, &str); 19] = [
        (r#""v":1"#, r#""v":2"#),
        (r#""kind":"lwe""#, r#""kind":"radix""#),
        (PARAMETERS, "TRISEAL_LWE_OTHER"),
        (r#""v":1"#, r#""v":1,"w":1"#),
        (r#""v":1"#, r#""v":1,"v":1"#),
        (r#""v":1"#, r#""v": 1"#),
        (r#""count":2"#, r#""count":2049"#),
        (r#""exponent":59"#, r#""exponent":64"#),
        ("[[0,1],[1,-1]]", "[[0,1],[0,-1]]"),
        ("[[0,1],[1,-1]]", "[[0,1],[2,-1]]"),
        ("[[0,1],[1,-1]]", "[[0,0],[1,-1]]"),
        ("[[0,1],[1,-1]]", "[[0,1.5],[1,-1]]"),
        ("[[0,1],[1,-1]]", "[[0,1],[1,-1099511627777]]"),
        ("[3,59]", "[3,64]"),
        (r#"["lut",3,0,[0]]"#, r#"["lut",3,64,[0]]"#),
        (r#"["lut",3,0,[0]]"#, r#"["lut",3,0,[3]]"#),
        (r#"["lut",3,0,[0]]"#, r#"["lut",3,0,[]]"#),
        (r#"["lut",0,0,[1,2]]"#, r#"["lut",0,0,[0,1]]"#),
        (r#"["lut",3,0,[0]]"#, r#"["lut",4,0,[0]]"#),
    ];
    for (from, to) in changes {
        let changed = whole.replacen(from, to, 1);
        assert_ne!(changed, whole, "{from} is not in the document");
        assert_eq!(code(Circuit::parse(changed.as_bytes())), "FHE_CIRCUIT_INVALID", "{to}");
    }
    for outputs in ["[[]]", "[[[7,59,1]]]", "[[[2,64,1]]]", "[[[2,59]]]"] {
        assert_eq!(code(Circuit::parse(document(NODES, outputs).as_bytes())), "FHE_CIRCUIT_INVALID", "{outputs}");
    }
    assert!(Circuit::parse(whole.as_bytes()).is_ok());
}

#[test]
fn gives_exact_integers_and_the_same_bytes_every_time() {
    let circuit = Circuit::parse(document(NODES, OUTPUTS).as_bytes()).expect("a circuit");
    assert_eq!((circuit.bootstraps(), circuit.wires), (2, 7));
    for (x, y) in [(0, 0), (7, 8), (3, 12), (6, 1)] {
        let bytes = encrypt(&client(), &[x, y], circuit.exponent).expect("an input");
        let input = Input::parse(&bytes).expect("own input");
        let told = AtomicUsize::new(0);
        let progress = |_, of| {
            assert_eq!(of, 2);
            told.fetch_add(1, Ordering::Relaxed);
        };
        let never = AtomicBool::new(false);
        let output = run(&keys().evaluation, &circuit, &input, &Control::new(&never, &progress)).expect("a run");
        assert_eq!(told.into_inner(), 2);
        let stored = output.encode();
        assert_eq!(stored, execute(&circuit, &input).expect("a run").encode());
        let parsed = Output::parse(&stored).expect("own output");
        let (x, y) = (x.cast_signed(), y.cast_signed());
        let sum = x + y;
        // The first output is read with a sign: five bits of it.
        let difference = (x - y + 3 + 16).rem_euclid(32) - 16;
        let square = (sum * sum % 7 + 8).rem_euclid(16) - 8;
        let halves = x + 16 * (7 - x);
        assert_eq!(decrypt(&client(), &circuit, &parsed).expect("integers"), [difference, square, halves]);
    }
}

#[test]
fn refuses_what_is_truncated_foreign_or_cancelled() {
    let circuit = Circuit::parse(document(NODES, OUTPUTS).as_bytes()).expect("a circuit");
    let bytes = encrypt(&client(), &[1, 2], circuit.exponent).expect("an input");
    let longer = [bytes.as_slice(), &[0]].concat();
    for wrong in [&bytes[..bytes.len() - 1], &longer, &keys().client, &[]] {
        assert_eq!(code(Input::parse(wrong)), "FHE_INPUT_MALFORMED");
    }
    for wrong in [&keys().server[..1000], &keys().client, &bytes] {
        assert_eq!(code(ServerKey::parse(wrong)), "FHE_KEY_INVALID");
    }
    let mut bit = keys().client.clone();
    bit[40] = 2;
    for wrong in [&bit[..], &keys().client[..100], &bytes] {
        assert_eq!(code(ClientKey::parse(wrong)), "FHE_KEY_INVALID");
    }
    let mut foreign = bytes.clone();
    foreign[16] ^= 1;
    assert_eq!(code(execute(&circuit, &Input::parse(&foreign).expect("well-formed"))), "FHE_INPUT_FOREIGN_KEY");
    let input = Input::parse(&bytes).expect("own input");
    let at_once = AtomicBool::new(true);
    let cancelled = run(&keys().evaluation, &circuit, &input, &Control::new(&at_once, &|_, _| {}));
    assert_eq!(code(cancelled), "FHE_CANCELLED");
    assert_eq!(code(encrypt(&client(), &[65536], 10)), "FHE_INPUT_MALFORMED");
    assert_eq!(code(encrypt(&client(), &[0; 2049], 10)), "FHE_INPUT_MALFORMED");
    let output = execute(&circuit, &input).expect("a run").encode();
    assert_eq!(code(Output::parse(&output[..output.len() - 8])), "FHE_INPUT_MALFORMED");
    let other = Circuit::parse(document(NODES, "[[[2,59,1]]]").as_bytes()).expect("a circuit");
    assert_eq!(code(decrypt(&client(), &other, &Output::parse(&output).expect("own"))), "FHE_INPUT_MALFORMED");
}

/// log2 of the standard deviation of `errors`.
fn deviation(errors: &[f64]) -> f64 {
    let count = errors.len() as f64;
    (errors.iter().map(|error| error * error).sum::<f64>() / count).sqrt().log2()
}

#[test]
fn has_the_noise_that_the_bound_is_computed_from() {
    let nodes: Vec<String> = (0..48).map(|_| r#"["lut",0,0,[1,2]]"#.to_owned()).collect();
    let count = 96;
    // Read in steps of 2^20: all that is left of an output is its noise.
    let outputs: Vec<String> = (0..count).map(|at| format!("[[{},20,1]]", at + 2)).collect();
    let text = document(&format!("[{}]", nodes.join(",")), &format!("[{}]", outputs.join(",")));
    let circuit = Circuit::parse(text.as_bytes()).expect("a circuit");
    let mut errors = Vec::new();
    for x in 0..8u64 {
        let input = Input::parse(&encrypt(&client(), &[x, 0], 59).expect("an input")).expect("own input");
        let output = execute(&circuit, &input).expect("a run");
        // Equal nodes give equal bytes: one lookup of each input counts.
        for (at, number) in decrypt(&client(), &circuit, &output).expect("integers").iter().take(2).enumerate() {
            let exact = if at == 0 { x } else { 7 - x };
            errors.push((number - ((exact << 60).cast_signed() >> 20)) as f64 * 2f64.powi(20));
        }
    }
    // The bound takes 2^41.95. Sixteen numbers: within a factor of two but for one time in many thousands.
    let measured = deviation(&errors);
    assert!((40.9..43.0).contains(&measured), "measured 2^{measured:.2}");
}
