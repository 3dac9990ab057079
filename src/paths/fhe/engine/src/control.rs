//! What the one who asked for work may still say about it, and what is said to them.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Failure, Outcome};

/// Cancellation and progress of one piece of work.
pub struct Control<'a> {
    cancelled: &'a AtomicBool,
    report: &'a (dyn Fn(usize, usize) + Sync),
}

impl<'a> Control<'a> {
    /// A control with its flag, and where progress goes.
    pub fn new(cancelled: &'a AtomicBool, report: &'a (dyn Fn(usize, usize) + Sync)) -> Self {
        Self { cancelled, report }
    }

    /// Whether the work shall end.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Ends work that shall end.
    pub fn checkpoint(&self) -> Outcome<()> {
        if self.is_cancelled() { Err(Failure::cancelled()) } else { Ok(()) }
    }

    /// Says how far the work is.
    pub fn progress(&self, done: usize, of: usize) {
        (self.report)(done, of);
    }
}
