//! Decoding names: one that another system has is told as that.

use super::system::{Decoder, Service};
use crate::yaml::{Kind, Node};
use std::sync::Arc;

impl Decoder {
    /// The system whose scenario it is; all that there are, while that is not known.
    pub fn services(&self) -> &[Arc<Service>] {
        self.scope.service.as_ref().map_or(&self.scope.vocabulary.services[..], std::slice::from_ref)
    }

    /// One of the words that a system has. Who means another system's is told so.
    pub(crate) fn word_of_service<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        words: &[(&str, T)],
        of: impl Fn(&Service) -> Vec<&'static str>,
    ) -> Option<T> {
        let known = self.mistakes.len();
        let read = self.word(node, what, words);
        if let (Kind::Scalar(text), Some(mistake)) = (&node.kind, self.mistakes.get(known).cloned())
            && let Some(help) = self.elsewhere(text, words.is_empty(), of)
        {
            self.mistakes[known] = mistake.help(help);
        }
        read
    }

    /// Which other system has this name; or that this one has none at all.
    pub(crate) fn elsewhere(&self, name: &str, has_none: bool, of: impl Fn(&Service) -> Vec<&'static str>) -> Option<String> {
        let service = self.scope.service.as_ref()?;
        let other = self.scope.vocabulary.services.iter().find(|other| of(other).contains(&name));
        match other {
            Some(other) => Some(format!("the system `{}` has it; this is a scenario of `{}`", other.name, service.name)),
            None => has_none.then(|| format!("the system `{}` has none", service.name)),
        }
    }
}
