//! `--format NAME`: one of the registry's formats, of those that can write what a command has to tell.

use crate::failure::Failure;
use clap::{
    Arg, Command, Error,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
    error::ErrorKind,
};
use squall_report::{CannotWrite, Format, Kind};
use std::ffi::OsStr;

/// What a history can be written in.
pub(crate) const EXPORTS: [&str; 1] = ["edn"];

/// Reads the name of a format that can write this.
#[derive(Clone, Copy)]
pub(crate) struct FormatOf(pub(crate) Kind);

impl FormatOf {
    fn names(self) -> impl Iterator<Item = PossibleValue> {
        Format::all_for(self.0).map(|format| PossibleValue::new(format.name).help(format.about))
    }
}

impl TypedValueParser for FormatOf {
    type Value = &'static Format;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<&'static Format, Error> {
        let text = value.to_string_lossy();
        let wrong = |why: String| command.clone().error(ErrorKind::InvalidValue, why);
        if let Some(format) = Format::named(&text) {
            return format.can_write(self.0).map(|()| format).map_err(|e| wrong(e.to_string()));
        }
        // What `--format` of `check` once was.
        if self.0 == Kind::Check && EXPORTS.contains(&&*text) {
            return Err(wrong(format!("`{text}` is a format of histories, not of reports: write `--export {text}`")));
        }
        // It says what there is, and what is nearly the same.
        let name = PossibleValuesParser::new(self.names()).parse_ref(command, arg, value)?;
        Format::named(&name).ok_or_else(|| wrong(format!("there is no format `{name}`")))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.names()))
    }
}

impl From<CannotWrite> for Failure {
    fn from(e: CannotWrite) -> Failure {
        Failure::Usage(e.to_string())
    }
}
