//! Values of Secrets: encrypted ones alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubestead_core::diagnostic::Place;
use kubestead_core::kube::ObjectRef;
use serde_json::{Map, Value};

use super::{Decoder, Entries, Yaml, YamlKind, is_nothing};
use crate::service::sealed::{buried, holds};

/// A text that is written in base64, as Go reads it: ends of lines do not count.
fn decoded(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

impl Decoder<'_> {
    /// The values of a Secret, taken out of its fields: what stands for encrypted ones, and around it what else is in the same value.
    pub(super) fn data(&mut self, object: &ObjectRef, entries: &mut Entries) -> Map<String, Value> {
        let mut data = Map::new();
        for field in ["data", "stringData"] {
            let Some(at) = entries.iter().position(|(key, ..)| key == field) else { continue };
            let (_, place, value) = entries.remove(at);
            let values = match value.kind {
                YamlKind::Map(values) => values,
                nothing if is_nothing(&nothing) => continue,
                other => {
                    self.error(&place, format!("{field} must be a map, and this is {}", other.word()), "");
                    continue;
                }
            };
            for (key, at, Yaml { place, kind }) in values {
                let text = match kind {
                    nothing if is_nothing(&nothing) => String::new(),
                    YamlKind::Scalar { text, .. } => text,
                    other => {
                        self.error(&place, format!("{field}: {key:?} must be a string, and this is {}", other.word()), "");
                        continue;
                    }
                };
                self.guard(&at, &key);
                if let Some(text) = self.sealed(object, field, &key, &place, &text)
                    && data.insert(key.clone(), text.into()).is_some()
                {
                    self.error(&at, format!("{object}: {key:?} is in data and in stringData"), "keep one of them");
                }
            }
        }
        data
    }

    /// One value of a Secret. `None` if it is wrong.
    fn sealed(&mut self, object: &ObjectRef, field: &str, key: &str, place: &Place, text: &str) -> Option<String> {
        let plain = if field == "stringData" { Some(text.to_owned()) } else { decoded(text) };
        let Some(plain) = plain else {
            self.error(place, format!("{object}: data.{key} is no text in base64"), "write it below `stringData`: kubestead encodes it");
            return None;
        };
        let text = self.text(place, &plain)?;
        if !self.reading.sealed.is_empty() && buried(&text) {
            let hint = "let the template leave that part out, such as `auth` of a login beside its username and password, or encrypt the whole Secret in \
                the folder of secrets (docs/secrets-in-the-cluster.md)";
            let message =
                format!("{object}: the value {key} has an encrypted value in base64 within other text, where nothing fills it in");
            self.error(place, message, hint);
            return None;
        }
        if !text.is_empty() && !holds(&text, &self.reading.sealed) {
            let hint = "let it name a variable of `secrets` of the service, or encrypt the Secret in the folder of secrets \
                (docs/secrets-in-the-cluster.md)";
            self.error(place, format!("{object}: the value {key} in the clear"), hint);
            return None;
        }
        Some(text)
    }
}
