//! How often something happens.

use crate::{
    Decoder, Vocabulary,
    language::{Value, as_written, schema},
    yaml::Node,
};
use serde_json::Value as Json;
use serde_yaml::Value as Yaml;
use squall_effect::Probability;

impl Value for Probability {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.scalar(node, "a probability such as 3% or 3/100", |text| {
            let (numerator, denominator) = match text.strip_suffix('%') {
                Some(percent) => (percent.parse().ok()?, 100),
                None => {
                    let (n, d) = text.split_once('/')?;
                    (n.parse().ok()?, d.parse().ok()?)
                }
            };
            (denominator > 0 && numerator <= denominator).then_some(Probability { numerator, denominator })
        })
    }

    fn write(&self) -> Yaml {
        self.to_text().into()
    }

    fn form() -> String {
        "10% or 1/10".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        schema::pattern("^[0-9]+(%|/[0-9]+)$")
    }
}

/// How many times a second, over all clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerSecond(pub u32);

impl Value for PerSecond {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.scalar(node, "a rate such as 200/s", |text| text.strip_suffix("/s")?.parse().ok().filter(|n| *n > 0).map(PerSecond))
    }

    fn write(&self) -> Yaml {
        format!("{}/s", self.0).into()
    }

    fn form() -> String {
        "200/s".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        schema::pattern("^[1-9][0-9]*/s$")
    }
}
