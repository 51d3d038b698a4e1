//! What an editor is given of a Kubernetes Secret, and what becomes of it.
#![allow(clippy::unwrap_used, clippy::format_push_string)] // a test fails by it

mod corpus;

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corpus::Dice;
use kubestead_core::secret::Secret;
use kubestead_secrets::sops::{Document, Done, Identities, Policy, Selector, Sops, Value, View};

fn seal(plain: &str) -> Document {
    let recipient = age::x25519::Identity::generate().to_public().to_string();
    let policy = Policy::age([recipient]).with_selector(Selector::encrypted_regex("^(data|stringData)$").unwrap());
    Sops::encrypt_new(Path::new("a.yaml"), &held(plain), &policy, &Identities::new()).unwrap()
}

fn held(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn shown(text: &Secret) -> String {
    String::from_utf8(text.expose().to_vec()).unwrap()
}

fn view(document: &Document) -> (View, String) {
    let view = View::decoded(document).unwrap();
    let text = shown(view.text());
    (view, text)
}

/// The lines that a text has and another has not.
fn only_in(text: &str, other: &str) -> Vec<String> {
    text.lines().filter(|line| !other.lines().any(|known| known == *line)).map(str::to_owned).collect()
}

const MIXED: &str = "# top\nkind: Secret\ndata: # values\n    # who\n    user: YWRtaW4=\n\n    key: AP/+\n    text: b25lCnR3bwo=\n    number: MTIz\n    # at the end\ntype: Opaque\n";

#[test]
fn texts_are_shown_decoded_and_binary_values_stay() {
    let (view, text) = view(&seal(MIXED));
    let expected = "# top\nkind: Secret\ndata: # values\n\n    key: AP/+\nstringData:\n    # who\n    user: admin\n    text: |\n        one\n        two\n    number: \"123\"\n    # at the end\ntype: Opaque\n";
    assert_eq!(text, expected);
    assert_eq!(shown(&view.plain(&held(&text)).unwrap()), MIXED);
}

#[test]
fn an_edit_is_encoded_and_leaves_every_other_ciphertext_alone() {
    let mut document = seal(MIXED);
    let before = document.text().to_owned();
    let (view, text) = view(&document);
    let edited = text.replace("admin", "'root: #1'").replace("    number", "    new: typed\n    number").replace("type: Opaque", "type: x");
    assert_eq!(document.edit(&view.plain(&held(&edited)).unwrap()).unwrap(), Done::Changed);
    let after = document.text().to_owned();
    let changed: Vec<String> = only_in(&after, &before).iter().map(|line| line.split(':').next().unwrap().trim().to_owned()).collect();
    assert_eq!(changed, ["user", "new", "type"]);
    assert_eq!(document.get(["data", "user"]).and_then(Value::as_str), Some(STANDARD.encode("root: #1").as_str()));
    assert_eq!(document.get(["data", "new"]).and_then(Value::as_str), Some("dHlwZWQ="));
    let keys: Vec<&str> =
        after.lines().skip(2).take(9).filter(|line| line.contains(": ENC[")).map(|line| line.trim().split(':').next().unwrap()).collect();
    assert_eq!(keys, ["user", "key", "text", "number", "new"], "each in its place, and what is new at the end");
}

#[test]
fn values_are_taken_out_and_all_of_them_may_be() {
    let mut document = seal("kind: Secret\ndata:\n    a: eA==\n    b: eg==\n");
    let (view, text) = view(&document);
    assert_eq!(text, "kind: Secret\nstringData:\n    a: x\n    b: z\n");
    for (edited, plain) in [
        ("kind: Secret\nstringData:\n    b: z\n", "kind: Secret\ndata:\n    b: eg==\n"),
        ("kind: Secret\nstringData:\n", "kind: Secret\n"),
        ("kind: Secret\n", "kind: Secret\n"),
        ("stringData:\n    a: x\n    c: \"\"\nkind: Secret", "data:\n    a: eA==\n    c: \"\"\nkind: Secret\n"),
    ] {
        assert_eq!(shown(&view.plain(&held(edited)).unwrap()), plain);
        document.edit(&held(plain)).unwrap();
    }
}

#[test]
fn what_stands_below_string_data_stays_there() {
    let plain = "kind: Secret\nstringData:\n    own: clear\ndata:\n    a: eA==\n";
    let (view, text) = view(&seal(plain));
    assert_eq!(text, "kind: Secret\nstringData:\n    own: clear\n    a: x\ndata: {}\n");
    let edited = text.replace("a: x", "a: z\n    new: n");
    let expected = "kind: Secret\nstringData:\n    own: clear\n    new: n\ndata:\n    a: eg==\n";
    assert_eq!(shown(&view.plain(&held(&edited)).unwrap()), expected);
}

#[test]
fn documents_are_told_apart_and_others_are_shown_as_they_are() {
    let plain = "kind: Secret\ndata:\n    a: eA==\n---\nkind: ConfigMap\ndata:\n    a: eA==\n---\nkind: Secret\ndata:\n    b: eQ==\n";
    let (view, text) = view(&seal(plain));
    assert_eq!(text.matches("stringData").count(), 2);
    assert_eq!(shown(&view.plain(view.text()).unwrap()), plain);
    let fewer = text.split("---\n").next().unwrap();
    assert!(view.plain(&held(fewer)).unwrap_err().to_string().contains("--raw"));
    for raw in [
        "kind: Secret\ndata: {a: eA==}\n",
        "kind: Secret\ndata:\n    a: eA=\n    b: YQB=\n    c: 1234\n    e: AAAA\n",
        "kind: Secret\nstringData:\n    a: eA==\n",
        "data:\n    a: eA==\n",
    ] {
        let document = seal(raw);
        assert_eq!(shown(View::decoded(&document).unwrap().text()), shown(&document.plain().unwrap()), "{raw}");
    }
}

#[test]
fn what_cannot_be_a_secret_is_refused_with_its_line() {
    let both = View::decoded(&seal("kind: Secret\nstringData:\n    a: y\ndata:\n    a: eA==\n")).err().unwrap().to_string();
    assert!(both.starts_with("a.yaml:5: the key \"a\" stands below data and below stringData"), "{both}");
    let document = seal(MIXED);
    let (view, text) = view(&document);
    for (edited, words) in [
        (text.replace("number: \"123\"", "number: 123"), "a.yaml:12: \"number\" below stringData is no text"),
        (text.replace("number: \"123\"", "number: [a]"), "a.yaml:12: \"number\" below stringData is no text"),
        (text.replace("user: admin", "key: admin"), "a.yaml:5: the key \"key\" stands below data"),
        (text.replace("data: # values\n\n    key: AP/+\n", "data: {key: AP/+}\n"), "a.yaml:3: data is to be a mapping"),
        (text.replace("    user: admin", "   user: admin"), "a.yaml:"),
    ] {
        assert_ne!(edited, text);
        let error = view.plain(&held(&edited)).unwrap_err().to_string();
        assert!(error.starts_with(words) && !error.contains("admin"), "{error}");
    }
}

#[test]
fn any_secret_comes_back_as_it_was() {
    let values: [&[u8]; 9] =
        [b"x", b"", b"two\nlines\n", b"yes", b"0644", b" pad ", "ünï # no".as_bytes(), b"\x00\xff", b"- \"q\": '|'\n\n"];
    let mut decoded = 0;
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let mut plain = "kind: Secret\ndata:\n".to_owned();
        for number in 0..=dice.roll(6) {
            plain.push_str(dice.pick(&["", "", "\n", "    # remark\n", "    # one\n\n    # two\n"]));
            let value = STANDARD.encode(values[dice.roll(values.len())]);
            let value = if value.is_empty() { "\"\"".to_owned() } else { value };
            plain.push_str(&format!("    {}{number}: {value}{}\n", dice.pick(&["k", "a.b", "tls.key"]), dice.pick(&["", "", " # behind"])));
        }
        plain.push_str(dice.pick(&["", "    # last\n", "type: Opaque\n"]));
        let document = seal(&plain);
        let before = shown(&document.plain().unwrap());
        let (view, text) = view(&document);
        decoded += usize::from(text != before);
        assert_eq!(shown(&view.plain(view.text()).unwrap()), before);
    }
    assert!(decoded > 270, "{decoded} of 300 were decoded");
}
