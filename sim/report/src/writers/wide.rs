//! `wide`: as `text`, with more columns.

use super::{Format, text};

pub(super) const FORMAT: Format =
    Format { for_people: true, sweep: Some(|sweep| text::sweep(sweep, true)), ..Format::new("wide", "as text, with more columns") };
