//! What `squall check` says: the verdict at once, what explains it when that is known.

use super::Args;
use crate::{Exit, failure::Failure};
use squall_judge::Judgement;
use squall_report::{CannotWrite, CheckReport};
use std::{
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
};

/// Says what was found, and how the process ends.
pub(super) fn tell(args: &Args, check: &CheckReport<'_>) -> Result<Exit, Failure> {
    head(args, check)?;
    print!("{}", args.format().check_rest(check)?);
    Ok(match check.judgement() {
        Judgement::Valid => Exit::Ok,
        Judgement::Invalid => Exit::Violation,
        Judgement::Unknown => Exit::Inconclusive,
    })
}

/// What can be told before it is explained: at once, and once.
pub(super) fn head(args: &Args, check: &CheckReport<'_>) -> Result<(), CannotWrite> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let head = args.format().check_head(check)?;
    if !TOLD.swap(true, Ordering::Relaxed) {
        print!("{head}");
        _ = std::io::stdout().flush();
    }
    Ok(())
}
