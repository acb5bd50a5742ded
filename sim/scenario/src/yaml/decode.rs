//! Decoding by hand, so that every mistake is found and each one is shown at its place.

use super::{Diagnostic, Kind, Node, Place};

/// Collects mistakes while values are taken out of the tree. What names mean is the business of its scope.
#[derive(Default)]
pub struct Decoder<S> {
    /// What was found wrong.
    pub mistakes: Vec<Diagnostic>,
    /// The key whose value is read.
    pub(crate) key: &'static str,
    /// The names that may be used.
    pub(crate) scope: S,
}

impl<S> Decoder<S> {
    /// Notes a mistake; `None`, so that it can end a decoding function.
    pub fn wrong<T>(&mut self, mistake: Diagnostic) -> Option<T> {
        self.mistakes.push(mistake);
        None
    }

    /// The text of a scalar. `what` says what is expected: "a duration such as 250ms".
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.kind {
            Kind::Scalar(text) => Some(text),
            Kind::List(_) => self.wrong(Diagnostic::new(node.place, format!("a list, where {what} is expected"))),
            Kind::Map(_) => self.wrong(Diagnostic::new(node.place, format!("a mapping, where {what} is expected"))),
        }
    }

    /// A scalar of some form; `read` answers what it means.
    pub fn scalar<T>(&mut self, node: &Node, what: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(node, what)?;
        match read(text) {
            Some(value) => Some(value),
            None => self.wrong(Diagnostic::new(node.place, format!("`{text}` is not {what}"))),
        }
    }

    /// One of a few words.
    pub fn word<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.wrong(Diagnostic::new(node.place, format!("`{text}` is not {what}")).help(suggest(text, &names)))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, node: &Node) -> Option<bool> {
        self.word(node, "true or false", &[("true", true), ("false", false)])
    }

    /// A list's items.
    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::List(items) => Some(items),
            Kind::Scalar(_) | Kind::Map(_) => self.wrong(Diagnostic::new(node.place, format!("{what} must be a list"))),
        }
    }

    /// The items of the list that stands under the key whose value is read.
    pub fn items<'n>(&mut self, node: &'n Node) -> Option<&'n [Node]> {
        let what = format!("`{}`", self.key);
        self.list(node, &what)
    }

    /// A mapping's fields. Duplicate keys are mistakes.
    pub fn fields<'n>(&mut self, node: &'n Node, what: &'static str) -> Option<Fields<'n>> {
        let Kind::Map(entries) = &node.kind else {
            return self.wrong(Diagnostic::new(node.place, format!("{what} must be a mapping of keys to values")));
        };
        let mut fields = Fields { what, place: node.place, left: Vec::new(), known: Vec::new(), taken: Vec::new() };
        for (key, value) in entries {
            let Some(name) = self.text(key, "a key") else { continue };
            if fields.left.iter().any(|(seen, ..)| *seen == name) {
                self.mistakes.push(Diagnostic::new(key.place, format!("the key `{name}` is given twice")));
                continue;
            }
            fields.left.push((name, key.place, value));
        }
        Some(fields)
    }
}

/// A mapping whose keys are taken one by one; what is left at the end is a mistake.
pub struct Fields<'n> {
    what: &'static str,
    pub(crate) place: Place,
    left: Vec<(&'n str, Place, &'n Node)>,
    known: Vec<&'static str>,
    taken: Vec<(&'static str, Place)>,
}

impl<'n> Fields<'n> {
    /// Takes a key's value, if the key is there.
    pub fn take(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let at = self.left.iter().position(|(name, ..)| *name == key)?;
        let (.., node) = self.left.remove(at);
        self.taken.push((key, node.place));
        Some(node)
    }

    /// The keys that were taken, and where their values stand.
    pub fn taken(&self) -> &[(&'static str, Place)] {
        &self.taken
    }

    /// The same of a key that plans have and nobody writes: it is not offered.
    pub fn take_of_plans(&mut self, key: &'static str) -> Option<&'n Node> {
        let found = self.take(key);
        self.known.pop();
        found
    }

    /// A key's value, without taking it.
    pub fn peek(&self, key: &str) -> Option<&'n Node> {
        self.left.iter().find(|(name, ..)| *name == key).map(|(.., node)| *node)
    }

    /// Takes a key's value; its absence is a mistake.
    pub fn need<S>(&mut self, decoder: &mut Decoder<S>, key: &'static str) -> Option<&'n Node> {
        match self.take(key) {
            Some(node) => Some(node),
            // A misspelt one is more likely than none.
            None => match self.left.iter().position(|(name, ..)| closest(name, &[key]).is_some()) {
                Some(at) => {
                    let (name, place, _) = self.left.remove(at);
                    decoder
                        .wrong(Diagnostic::new(place, format!("{} has no key `{name}`", self.what)).help(format!("did you mean `{key}`?")))
                }
                None => decoder.wrong(Diagnostic::new(self.place, format!("{} needs the key `{key}`", self.what))),
            },
        }
    }

    /// Takes whichever one of these keys is there; none or several is a mistake.
    pub fn one_of<S>(&mut self, decoder: &mut Decoder<S>, keys: &[&'static str]) -> Option<(&'static str, &'n Node)> {
        let places: Vec<(&str, Place)> = self.left.iter().map(|(name, place, _)| (*name, *place)).collect();
        let place = |key: &str| places.iter().find(|(name, _)| *name == key).map_or(self.place, |(_, place)| *place);
        let mut found: Vec<_> = keys
            .iter()
            .map(|key| (*key, place(key)))
            .collect::<Vec<_>>()
            .into_iter()
            .filter_map(|(key, place)| Some((key, self.take(key)?, place)))
            .collect();
        found.sort_by_key(|(.., place)| (place.line, place.column));
        match found[..] {
            [(key, node, _)] => Some((key, node)),
            [] => decoder.wrong(self.missing(keys)),
            [_, (second, _, place), ..] => decoder.wrong(Diagnostic::new(
                place,
                format!("`{second}` cannot stand beside `{}` in {}: give one of them", found[0].0, self.what),
            )),
        }
    }

    fn missing(&self, keys: &[&str]) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(self.place, format!("{} needs one of the keys {}", self.what, quoted(keys)));
        // What is there instead; a misspelt one is more likely than none.
        if let Some((_, place, _)) = self.left.first() {
            diagnostic.place = *place;
        }
        if let Some((place, help)) = self.left.iter().find_map(|(name, place, _)| Some((*place, meant(name, keys)?))) {
            (diagnostic.place, diagnostic.help) = (place, Some(help));
        }
        // The name under which lists have it, of a kind that stands below another key.
        let group = |name: &str| Some(*keys.iter().find(|key| name.strip_prefix(**key).is_some_and(|rest| rest.starts_with('-')))?);
        if let Some((name, place, key)) = self.left.iter().find_map(|(name, place, _)| Some((*name, *place, group(name)?)))
            && !keys.contains(&name)
        {
            diagnostic.place = place;
            diagnostic.help = Some(format!("write `{key}: {{ {}: ... }}`", &name[key.len() + 1..]));
        }
        diagnostic
    }

    /// Drops a key that was complained of already.
    pub fn forget(&mut self, key: &str) {
        self.left.retain(|(name, ..)| *name != key);
    }

    /// The first key that nobody took yet.
    pub fn first_left(&self) -> Option<(&'n str, Place)> {
        self.left.first().map(|(name, place, _)| (*name, *place))
    }

    /// Every key that nobody took is a mistake.
    pub fn done<S>(self, decoder: &mut Decoder<S>) {
        for (name, place, _) in &self.left {
            let help = suggest(name, &self.known);
            decoder.mistakes.push(Diagnostic::new(*place, format!("{} has no key `{name}`", self.what)).help(help));
        }
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

/// "did you mean", or the list of what there is.
pub fn suggest(text: &str, words: &[&str]) -> String {
    meant(text, words).unwrap_or_else(|| format!("it is one of {}", quoted(words)))
}

/// What somebody meant: a word that is nearly the same, or that says the same.
fn meant(text: &str, words: &[&str]) -> Option<String> {
    let same = |(theirs, ours): &&(&str, &str)| *theirs == text && ours.split(':').next().is_some_and(|key| words.contains(&key));
    let other = || OTHER_WORDS.iter().find(same).map(|(_, ours)| format!("here that is `{ours}`"));
    closest(text, words).map(|word| format!("did you mean `{word}`?")).or_else(other)
}

/// What other tools call it, and we.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("crash", "kill"),
    ("stop", "kill"),
    ("freeze", "pause"),
    ("hang", "pause"),
    ("suspend", "pause"),
    ("reboot", "restart"),
    ("latency", "delay"),
    ("drop", "loss"),
    ("split", "partition"),
    ("skew", "clock"),
    ("time", "clock"),
    ("nodes", "cluster: { nodes: ... }"),
    ("nemesis", "faults"),
    ("load", "workloads"),
    ("workload", "workloads"),
    ("fault", "faults"),
    ("time", "duration"),
    ("primary", "leader"),
    ("any", "one"),
    ("random", "one"),
];

fn closest<'w>(text: &str, words: &[&'w str]) -> Option<&'w str> {
    let best = words.iter().map(|word| (strsim::levenshtein(text, word), *word)).min()?;
    (best.0 <= 1 + text.chars().count() / 4).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn near_misses_are_named_and_others_get_the_list() {
        let words = ["partition", "pause", "kill"];
        assert_eq!(suggest("partiton", &words), "did you mean `partition`?");
        assert_eq!(suggest("kil", &words), "did you mean `kill`?");
        assert_eq!(suggest("crash", &words), "here that is `kill`");
        assert_eq!(suggest("reboot", &words), "it is one of `partition`, `pause`, `kill`");
    }
}
