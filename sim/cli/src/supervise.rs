//! One child process, with a limit on its time and its memory.

use std::{
    io::{self, Read},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// What a child may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Wall-clock time.
    pub(crate) timeout: Duration,
    /// Resident memory, in bytes.
    pub(crate) memory: u64,
}

/// How a child ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// By itself, with this exit code.
    Exit(i32),
    /// By a signal that nobody here sent.
    Signal,
    TimedOut,
    OutOfMemory,
    /// The sweep was interrupted.
    Interrupted,
}

/// What a child said, and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) ended: Ended,
    pub(crate) stdout: String,
    /// The end of it.
    pub(crate) stderr: String,
}

/// How often a child is looked at.
const TICK: Duration = Duration::from_millis(20);

/// No more of what a child says on standard error is kept.
const STDERR_MAX: usize = 8 << 10;

/// Runs a command to its end, or to its limits.
pub(crate) fn run(command: &mut Command, limits: Limits, interrupted: &AtomicBool) -> io::Result<Output> {
    // A Ctrl-C on the terminal is for the sweep: it ends its children itself, and knows why they ended. Where the sweep dies without a
    // word (SIGKILL), the pipe to the child's standard input closes, and the child ends by itself ([`end_with_parent`]).
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let child = Arc::new(Mutex::new(child));
    let finished = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let listening = scope.spawn(move || err.as_mut().map_or(String::new(), tail));
        let keeper = scope.spawn(|| keep_limits(&child, limits, &finished, interrupted));
        let mut stdout = String::new();
        let read = out.as_mut().map_or(Ok(0), |out| out.read_to_string(&mut stdout));
        // It has closed its standard output: it ends now, or the keeper of limits ends it.
        let stderr = listening.join().unwrap_or_default();
        let status = loop {
            if let Some(status) = locked(&child).try_wait()? {
                break status;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        };
        finished.store(true, Ordering::Relaxed);
        keeper.thread().unpark();
        let killed = keeper.join().unwrap_or(None);
        read?;
        let by_itself = || match status.code() {
            Some(code) => Ended::Exit(code),
            None if interrupted.load(Ordering::Relaxed) => Ended::Interrupted,
            None => Ended::Signal,
        };
        let ended = killed.unwrap_or_else(by_itself);
        Ok(Output { ended, stdout, stderr })
    })
}

/// From now on this process ends when its standard input does: whoever started it holds the other end, and is gone.
pub(crate) fn end_with_parent() {
    std::thread::spawn(|| {
        _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(crate::Exit::Interrupted as i32);
    });
}

fn locked(child: &Mutex<Child>) -> std::sync::MutexGuard<'_, Child> {
    child.lock().expect("nothing panics while it holds a child")
}

/// Reads everything, keeps the end.
fn tail(from: &mut impl Read) -> String {
    let (mut kept, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = from.read(&mut piece) {
        kept.extend_from_slice(&piece[..n]);
        if kept.len() > 2 * STDERR_MAX {
            kept.drain(..kept.len() - STDERR_MAX);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn keep_limits(child: &Mutex<Child>, limits: Limits, finished: &AtomicBool, interrupted: &AtomicBool) -> Option<Ended> {
    let mut waited = Duration::ZERO;
    let id = locked(child).id();
    while !finished.load(Ordering::Relaxed) {
        let why = if interrupted.load(Ordering::Relaxed) {
            Some(Ended::Interrupted)
        } else if waited >= limits.timeout {
            Some(Ended::TimedOut)
        } else if resident(id).is_some_and(|bytes| bytes > limits.memory) {
            Some(Ended::OutOfMemory)
        } else {
            None
        };
        if why.is_some() {
            // It may have ended by itself by now.
            let mut child = locked(child);
            if let Ok(Some(_)) = child.try_wait() {
                return None;
            }
            let _ = child.kill();
            return why;
        }
        std::thread::park_timeout(TICK);
        waited += TICK;
    }
    None
}

/// A process' resident memory, where the system says it.
fn resident(id: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{id}/statm")).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    // Linux' page on every machine that we know of; a larger one only makes the limit wider.
    Some(pages * 4096)
}
