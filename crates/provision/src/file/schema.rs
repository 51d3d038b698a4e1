//! The shape of the cluster file as a JSON Schema, for editors.

use serde_json::{Map, Value, json};

use super::sections::SHAPE;
use super::shape::{Bare, Field, Form, Kind, Need, Shape};

/// The JSON Schema (draft 2020-12) of a cluster file, made of the fields that the decoder knows. It refuses nothing that [`load`](super::load) takes; what lies
/// across fields, and what a pattern cannot tell, only that refuses.
pub fn schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A cluster file of kubestead",
        "description": "Machines, their encrypted volumes, the keys, and a Kubernetes cluster. `kubestead check` looks closer than a schema can.",
    });
    if let (Value::Object(all), Value::Object(own)) = (&mut schema, map(&SHAPE)) {
        all.extend(own);
    }
    schema
}

fn map(shape: &Shape) -> Value {
    let properties: Map<String, Value> = shape.fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    let required: Vec<&str> = shape.fields.iter().filter(|field| matches!(field.need, Need::Required)).map(|field| field.name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn property(field: &Field) -> Value {
    let mut found = value(&field.kind);
    let (default, otherwise) = match field.need {
        Need::Required => (None, String::new()),
        Need::Otherwise(text) => (Some(written(&field.kind, text)), String::new()),
        Need::Optional(text) => (None, format!(" When left out: {text}.")),
    };
    found["description"] = format!("{}{otherwise}", field.about).replace('`', "").into();
    if let Some(default) = default {
        found["default"] = default;
    }
    found
}

/// A value as JSON that is written so in a cluster file.
fn written(kind: &Kind, text: &str) -> Value {
    match kind {
        Kind::Text(_) | Kind::Words(_) | Kind::OneOrList(_) => text.into(),
        Kind::Count { .. } | Kind::Port => text.parse::<u64>().map_or_else(|_| text.into(), Value::from),
        Kind::Boolean => (text == "true").into(),
        Kind::List { of, .. } => {
            let items = text.trim_matches(['[', ']']).split(", ").filter(|item| !item.is_empty());
            items.map(|item| written(of, item)).collect()
        }
        Kind::Map(_) | Kind::Entries { .. } | Kind::Any => json!({}),
    }
}

fn value(kind: &Kind) -> Value {
    match kind {
        Kind::Text(form) => text(form),
        Kind::Words(words) => json!({"enum": words()}),
        Kind::Count { least, most } => json!({"anyOf": [
            {"type": "integer", "minimum": least, "maximum": most},
            {"type": "string", "pattern": "^[1-9][0-9]*[kMGT]?$"},
        ]}),
        Kind::Port => json!({"anyOf": [
            {"type": "integer", "minimum": 1, "maximum": u16::MAX},
            {"type": "string", "pattern": "^[1-9][0-9]{0,4}$"},
        ]}),
        Kind::Boolean => json!({"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}]}),
        Kind::List { of, least, most, different } => {
            let mut found = json!({"type": "array", "items": value(of)});
            if *least > 0 {
                found["minItems"] = (*least).into();
            }
            if let Some(most) = most {
                found["maxItems"] = (*most).into();
            }
            if *different {
                found["uniqueItems"] = true.into();
            }
            found
        }
        Kind::OneOrList(of) => json!({"anyOf": [value(of), {"type": "array", "items": value(of)}]}),
        Kind::Map(shape) => map(shape),
        Kind::Any => json!({"not": {"type": "null"}}),
        Kind::Entries { key, of, most, .. } => {
            let mut found = json!({"type": "object", "propertyNames": {"pattern": key.pattern}, "additionalProperties": value(of)});
            if let Some(most) = most {
                found["maxProperties"] = (*most).into();
            }
            found
        }
    }
}

/// A text, also where YAML takes what is written without quotes for something else.
fn text(form: &Form) -> Value {
    let mut found = match form.bare {
        Bare::String => json!({"type": "string", "pattern": form.pattern}),
        Bare::Whole => json!({"type": ["string", "integer"], "pattern": form.pattern, "minimum": 1}),
        Bare::Any => json!({"type": ["string", "number", "boolean"], "pattern": form.pattern}),
    };
    if !form.example.is_empty() {
        found["examples"] = json!([form.example]);
    }
    found
}
