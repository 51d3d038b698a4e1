//! What may be written, as data: the maps of the cluster file with their fields, and what values look like.
//!
//! Each section declares its maps beside their decoding, by `fields!`. The decoder asks them what it knows, and the schema and the page of fields are made of
//! them: what is declared and not decoded, or the other way round, does not compile.

/// A map with fields of its own.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) fields: &'static [Field],
    /// Fields of the past, and what to write instead.
    pub(super) gone: &'static [(&'static str, &'static str)],
}

/// A field of a map.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) need: Need,
    pub(super) kind: Kind,
    /// A sentence or two, with the limits that its kind does not say.
    pub(super) about: &'static str,
}

/// What holds when a field is left out.
#[derive(Debug)]
pub(super) enum Need {
    /// The file is refused.
    Required,
    /// The same as with this value, as it would be written.
    Otherwise(&'static str),
    /// What this says.
    Optional(&'static str),
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Kind {
    /// A text.
    Text(&'static Form),
    /// One of some words.
    Words(fn() -> Vec<&'static str>),
    /// A whole number; `k`, `M`, `G` and `T` after it are powers of 1000.
    Count { least: u64, most: u64 },
    /// A port of TCP.
    Port,
    /// `true` or `false`.
    Boolean,
    /// Whatever YAML holds, but nothing.
    Any,
    /// A list.
    List { of: &'static Kind, least: usize, most: Option<usize>, different: bool },
    /// A value, or a list of such.
    OneOrList(&'static Kind),
    /// A map with these fields.
    Map(&'static Shape),
    /// A map whose keys are the operator's.
    Entries { called: &'static str, key: &'static Form, of: &'static Kind, most: Option<usize> },
}

impl Kind {
    /// A list of any length.
    pub(super) const fn list(of: &'static Self) -> Self {
        Self::List { of, least: 0, most: None, different: false }
    }

    /// Entries, as many as one likes.
    pub(super) const fn entries(called: &'static str, key: &'static Form, of: &'static Self) -> Self {
        Self::Entries { called, key, of, most: None }
    }
}

/// What a text looks like. The pattern takes whatever the decoder takes, which looks closer.
#[derive(Debug)]
pub(super) struct Form {
    /// What it is, for a table: `a name`.
    pub(super) word: &'static str,
    /// A regular expression that editors' (ECMA 262) and ours read alike.
    pub(super) pattern: &'static str,
    /// One of them; empty where none tells more than the word.
    pub(super) example: &'static str,
    pub(super) bare: Bare,
}

/// What YAML takes a text for that stands without quotes. The decoder takes it as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    /// A string, always.
    String,
    /// Perhaps a whole number, larger than 0.
    Whole,
    /// Perhaps a number, or a boolean.
    Any,
}

/// A label as in RFC 1123.
pub(super) const NAME: Form = Form { word: "a name", pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", example: "", bare: Bare::Any };

/// A size in bytes.
pub(super) const SIZE: Form = Form { word: "a size", pattern: "^[1-9][0-9]*(Ti|Gi|Mi|Ki|T|G|M|k)?B?$", example: "8GiB", bare: Bare::Whole };

/// The address of a machine.
pub(super) const ADDRESS: Form = Form {
    word: "an IP address",
    pattern: r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)$",
    example: "192.0.2.11",
    bare: Bare::String,
};

/// Who logs in.
pub(super) const LOGIN: Form =
    Form { word: "an account", pattern: "^[A-Za-z0-9_][A-Za-z0-9._@+-]{0,63}$", example: "ops", bare: Bare::Any };

/// A path on the operator's computer.
pub(super) const PATH: Form = Form { word: "a path on your computer", pattern: "^(~/|[^~])", example: "~/site/file", bare: Bare::Any };

/// A range of IPv4 addresses.
pub(super) const RANGE: Form =
    Form { word: "a range", pattern: r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$", example: "172.16.0.0/16", bare: Bare::String };
