//! A gateway as the engine sees one.

use std::collections::HashMap;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use triseal_fhe::digest::{hex, sha256};
use triseal_fhe::frame::{read_frame, write_frame};

/// An engine in a folder of its own, and the connection to it.
pub struct Gateway {
    pub engine: Child,
    pub stream: UnixStream,
    pub folder: PathBuf,
    answers: HashMap<u64, (Value, Vec<Vec<u8>>)>,
    next: u64,
}

/// An answer with its parts, or the code of a refusal.
pub type Answered = Result<(Value, Vec<Vec<u8>>), String>;

impl Gateway {
    pub fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("triseal-fhe-engine-{}", std::process::id()));
        fs::create_dir_all(folder.join("keys")).expect("makes folders");
        let socket = folder.join("socket");
        let mut command = Command::new(env!("CARGO_BIN_EXE_triseal-fhe"));
        command.arg("engine").arg("--socket").arg(&socket).arg("--keys").arg(folder.join("keys"));
        command.arg("--signing-key").arg(folder.join("seed")).args(["--threads", "2", "--cache-bytes", "900000000"]);
        let engine = command.stderr(Stdio::inherit()).spawn().expect("starts");
        let started = Instant::now();
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(_) if started.elapsed() < Duration::from_secs(60) => sleep(Duration::from_millis(20)),
                Err(error) => panic!("{error}"),
            }
        };
        Self { engine, stream, folder, answers: HashMap::new(), next: 0 }
    }

    pub fn send(&mut self, op: Value, parts: &[Vec<u8>]) -> u64 {
        self.next += 1;
        let Value::Object(mut message) = op else { panic!("an op is an object") };
        message.insert("v".into(), 1.into());
        message.insert("id".into(), self.next.into());
        write_frame(&mut self.stream, message, parts).expect("writes");
        self.next
    }

    pub fn wait(&mut self, id: u64) -> Answered {
        while !self.answers.contains_key(&id) {
            let frame = read_frame(&mut self.stream).expect("reads").expect("is there");
            let message: Value = serde_json::from_slice(&frame.head).expect("is JSON");
            if message.get("progress").is_some() {
                continue;
            }
            let mut rest = frame.body.as_slice();
            let lengths = message["parts"]
                .as_array()
                .expect("has parts")
                .iter()
                .map(|length| length.as_u64().expect("is a length") as usize);
            let parts = lengths
                .map(|length| {
                    let (part, after) = rest.split_at(length);
                    rest = after;
                    part.to_vec()
                })
                .collect();
            self.answers.insert(message["id"].as_u64().expect("has an id"), (message, parts));
        }
        let (message, parts) = self.answers.remove(&id).expect("is there");
        match message["error"]["code"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok((message, parts)),
        }
    }

    pub fn ask(&mut self, op: Value, parts: &[Vec<u8>]) -> Answered {
        let id = self.send(op, parts);
        self.wait(id)
    }

    pub fn refused(&mut self, op: Value, parts: &[Vec<u8>], code: &str) {
        let shown = op.to_string();
        assert_eq!(self.ask(op, parts).expect_err("is refused"), code, "{shown}");
    }

    /// Puts a file into the folder of keys.
    pub fn keep(&self, bytes: &[u8]) -> String {
        let name = hex(&sha256(bytes));
        fs::write(self.folder.join("keys").join(&name), bytes).expect("writes");
        name
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.engine.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
