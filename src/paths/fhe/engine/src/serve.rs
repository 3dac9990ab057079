//! One gateway on a Unix socket: many requests at once, answered in any order, each with its cancellation.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io::{BufReader, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::control::Control;
use crate::engine::{Answer, Engine};
use crate::failure::{Failure, Outcome};
use crate::frame::{read_frame, write_frame};
use crate::message::{Op, Refused, Request, read_request};

/// How long a gateway may take to connect before this process thinks itself forgotten.
const CONNECT_TIME: Duration = Duration::from_secs(60);
/// Requests at once. Their work shares the pool; their bodies do not.
const MAX_OPEN: usize = 128;
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// The connection with its open requests.
struct Session {
    engine: Engine,
    output: Mutex<UnixStream>,
    open: Mutex<HashMap<u32, Arc<AtomicBool>>>,
}

/// Waits for the gateway, and answers it until it goes away.
pub fn serve(path: &Path, engine: Engine) -> Outcome<()> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let stream = accept(&listener)?;
    // There is one gateway: nobody else finds the way in.
    fs::remove_file(path)?;
    drop(listener);
    let input = stream.try_clone()?;
    let session = Arc::new(Session { engine, output: Mutex::new(stream), open: Mutex::default() });
    read_requests(&session, BufReader::new(input))
}

fn accept(listener: &UnixListener) -> Outcome<UnixStream> {
    listener.set_nonblocking(true)?;
    let started = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && started.elapsed() < CONNECT_TIME => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn read_requests(session: &Arc<Session>, mut input: BufReader<UnixStream>) -> Outcome<()> {
    while let Some(frame) = read_frame(&mut input)? {
        match read_request(frame) {
            Ok(request) => take(session, request)?,
            Err(Refused { id, failure }) => session.refuse(id, &failure)?,
        }
    }
    Ok(())
}

fn take(session: &Arc<Session>, mut request: Request) -> Outcome<()> {
    let id = request.id;
    if let Op::Cancel { target } = request.op {
        if let Some(flag) = session.open().get(&target) {
            flag.store(true, Ordering::Relaxed);
        }
        return session.accept(id, Answer { members: Map::new(), parts: Vec::new() });
    }
    let flag = Arc::new(AtomicBool::new(false));
    {
        let mut open = session.open();
        if open.len() >= MAX_OPEN || open.contains_key(&id) {
            drop(open);
            return session.refuse(id, &Failure::protocol("that id is in use, or too many are"));
        }
        open.insert(id, Arc::clone(&flag));
    }
    let worker = Arc::clone(session);
    let started = thread::Builder::new().spawn(move || worker.conduct(&mut request, &flag));
    if started.is_err() {
        session.open().remove(&id);
        session.refuse(id, &Failure::new("FHE_ENGINE_MEMORY", "no thread for this request"))?;
    }
    Ok(())
}

/// Work whose panic, on this thread or one of the pool that it waits for, is its own failure and nobody else's.
fn contained<T>(work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Failure::panicked()))
}

impl Session {
    fn open(&self) -> MutexGuard<'_, HashMap<u32, Arc<AtomicBool>>> {
        self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Answers one request, however it ends. Where the answer cannot be written, the gateway is gone, and the reader ends us.
    fn conduct(&self, request: &mut Request, cancelled: &AtomicBool) {
        let id = request.id;
        let last = Mutex::new(Instant::now());
        let report = |done: usize, of: usize| self.progress(id, &last, (done, of));
        let control = Control::new(cancelled, &report);
        let outcome = contained(|| self.engine.answer(request, &control));
        let outcome = if control.is_cancelled() { Err(Failure::cancelled()) } else { outcome };
        // Closed before it is said: who reads the answer may use the id again.
        self.open().remove(&id);
        let _ = match outcome {
            Ok(answer) => self.accept(id, answer),
            Err(failure) => self.refuse(id, &failure),
        };
    }

    fn progress(&self, id: u32, last: &Mutex<Instant>, (done, of): (usize, usize)) {
        // Whoever finds the lock taken has nothing newer to say.
        let Ok(mut last) = last.try_lock() else { return };
        if last.elapsed() < PROGRESS_EVERY {
            return;
        }
        *last = Instant::now();
        let _ = self.write(id, json!({ "progress": { "done": done, "of": of } }), &[]);
    }

    fn accept(&self, id: u32, answer: Answer) -> Outcome<()> {
        let mut members = answer.members;
        members.insert("ok".into(), true.into());
        match self.write(id, Value::Object(members), &answer.parts) {
            Err(failure) if failure.code == "FHE_PROTOCOL" => self.refuse(id, &failure),
            written => written,
        }
    }

    fn refuse(&self, id: u32, failure: &Failure) -> Outcome<()> {
        self.write(id, json!({ "error": { "code": failure.code, "message": failure.message } }), &[])
    }

    fn write(&self, id: u32, members: Value, parts: &[Vec<u8>]) -> Outcome<()> {
        let Value::Object(mut message) = members else { return Err(Failure::internal("an answer is an object")) };
        message.insert("v".into(), 1.into());
        message.insert("id".into(), id.into());
        let mut output = self.output.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        write_frame(&mut *output, message, parts)
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn a_panic_ends_the_work_that_it_befell_and_no_other() {
        let code = |outcome: Outcome<u32>| outcome.map_err(|failure| failure.code);
        assert_eq!(code(contained(|| Ok(7))), Ok(7));
        assert_eq!(code(contained(|| Err(Failure::cancelled()))), Err("FHE_CANCELLED"));
        assert_eq!(code(contained(|| panic!("here"))), Err("FHE_ENGINE_PANIC"));
        let in_pool =
            |last: u32| (0..100).into_par_iter().map(|at| if at == last { panic!("there") } else { at }).sum();
        assert_eq!(code(contained(|| Ok(in_pool(50)))), Err("FHE_ENGINE_PANIC"));
        assert_eq!(code(contained(|| Ok(in_pool(100)))), Ok(4950));
    }
}
