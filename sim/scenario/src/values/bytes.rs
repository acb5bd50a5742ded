//! Numbers of bytes.

use crate::{
    Decoder, Vocabulary,
    language::{Value, as_written, schema},
    yaml::Node,
};
use serde_json::Value as Json;
use serde_yaml::Value as Yaml;

/// `512B`, `64KiB`, `1MiB`.
fn parse(text: &str) -> Option<u64> {
    let scaled = |unit: &str, scale: u64| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(scale);
    scaled("KiB", 1 << 10).or_else(|| scaled("MiB", 1 << 20)).or_else(|| scaled("B", 1))
}

/// The largest unit that leaves them whole.
fn format(bytes: u64) -> String {
    match bytes {
        n if n > 0 && n.is_multiple_of(1 << 20) => format!("{}MiB", n >> 20),
        n if n > 0 && n.is_multiple_of(1 << 10) => format!("{}KiB", n >> 10),
        n => format!("{n}B"),
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

impl Value for Bytes {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.scalar(node, "a number of bytes such as 64KiB", parse).map(Bytes)
    }

    fn write(&self) -> Yaml {
        format(self.0).into()
    }

    fn form() -> String {
        "a number of bytes such as 64KiB".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        schema::pattern("^[0-9]+(B|KiB|MiB)$")
    }
}

/// A number of bytes a second, above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRate(pub(crate) u64);

impl Value for ByteRate {
    as_written!();

    fn read(decoder: &mut Decoder, node: &Node) -> Option<Self> {
        decoder.scalar(node, "a number of bytes a second such as 64KiB/s", |text| {
            let bytes = parse(text.strip_suffix("/s")?)?;
            (bytes > 0).then_some(ByteRate(bytes))
        })
    }

    fn write(&self) -> Yaml {
        format!("{}/s", format(self.0)).into()
    }

    fn form() -> String {
        "64KiB/s".to_string()
    }

    fn schema(_vocabulary: &Vocabulary) -> Json {
        schema::pattern("^[1-9][0-9]*(B|KiB|MiB)/s$")
    }
}
