//! Where a history comes from: a file of ours, or of another tool.

use super::Args;
use crate::{Systems, failure::Failure};
use squall_history::{History, View};
use squall_linear::{
    RawHistory,
    formats::{self, Format as HistoryFormat, ReadOptions},
};
use squall_run::Pack;
use std::{
    fs::{self, File},
    io::Read,
    path::Path,
    sync::Arc,
};

/// A history, as it was found in a file.
pub(super) enum Source {
    Ours(History, Arc<dyn Pack>),
    Other(HistoryFormat, RawHistory),
}

/// The calls of a history, as models of any history read them.
pub(super) fn calls_of(args: &Args, pack: &dyn Pack, view: &View<'_>) -> Result<RawHistory, Failure> {
    let why = || format!("{}: operations of `{}` are no calls of another model", args.file.display(), pack.name());
    pack.calls(view).ok_or_else(|| Failure::Usage(why()))
}

/// Whether a file begins as ours do.
pub(super) fn is_ours(path: &Path) -> Result<bool, Failure> {
    let mut head = [0; 17];
    let mut file = File::open(path).map_err(Failure::io(path))?;
    let got = file.read(&mut head).map_err(Failure::io(path))?;
    Ok(head[..got] == *b"{\"squall_history\"")
}

/// Reads it whole.
pub(super) fn read(args: &Args, systems: &Systems) -> Result<Source, Failure> {
    let bad = |what: String| Failure::Usage(format!("{}: {what}", args.file.display()));
    if is_ours(&args.file)? {
        let (history, pack) = match &args.system {
            None => systems.read(&args.file)?,
            Some(name) => {
                let pack = systems.get(name)?;
                (Systems::read_as(&args.file, &*pack)?.map_err(|e| bad(e.to_string()))?, pack)
            }
        };
        return Ok(Source::Ours(history, pack));
    }
    if args.system.is_some() {
        return Err(bad("--system: it is for histories of ours".into()));
    }
    let bytes = fs::read(&args.file).map_err(Failure::io(&args.file))?;
    let text = String::from_utf8(bytes).map_err(|_| bad("it is not UTF-8".into()))?;
    let (format, history) = formats::read(&text, ReadOptions { independent: args.independent }).map_err(|e| bad(e.to_string()))?;
    if args.nil_is_seen && !matches!(format, HistoryFormat::Edn | HistoryFormat::JepsenText) {
        return Err(Failure::Usage(format!(
            "--nil-is-seen: it is for EDN and Jepsen's text; in {} a read of nil saw that anyway",
            format.name()
        )));
    }
    Ok(Source::Other(format, history))
}
