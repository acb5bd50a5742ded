//! Texts that last.

/// A text for as long as the program runs: what a harness is made of is made once.
pub(crate) fn kept(text: &str) -> &'static str {
    Box::leak(text.to_string().into_boxed_str())
}
