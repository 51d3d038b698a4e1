//! YAML of Ansible with single encrypted values: `password: !vault |`.

use kubestead_core::secret::Secret;
use regex::Regex;
use std::sync::LazyLock;

use super::vault::{self, VaultError};
use crate::sops::tree::{Container, Item, Leaf, Problem, Tree, line_of, splice};
use crate::sops::value::Value;
use crate::sops::yaml;

static VARIABLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})").expect("the expression is a constant"));

/// What became of a YAML text.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The text with the values in the place of their vaults.
    pub text: Secret,
    /// How many values were decrypted.
    pub count: usize,
}

/// Decrypts all values with the tag `!vault`. The error is a line, from 1, and what is wrong there.
pub fn open_inline(text: &str, password: &dyn Fn(Option<&str>) -> Option<Secret>) -> Result<Opened, (usize, String)> {
    let refuse = |problem: Problem| (line_of(text, problem.at), problem.why);
    let parsed = yaml::parse(text).map_err(refuse)?;
    let mut leaves = Vec::new();
    parsed.documents.iter().for_each(|document| collect(document, &mut leaves));
    let (mut edits, mut count) = (Vec::new(), 0);
    for leaf in leaves {
        let Some(tag) = leaf.tag.clone().filter(|tag| &*tag.name == "!vault") else { continue };
        let at = |why: String| (line_of(text, leaf.span.start), why);
        let sealed = leaf.value.as_str().ok_or_else(|| at("this vault is no text".to_owned()))?;
        let id = vault::vault_id(sealed);
        let password = password(id.as_deref()).ok_or_else(|| at(VaultError::Password(id).to_string()))?;
        let value = vault::open(sealed, &password).map_err(|e| at(e.to_string()))?;
        let value = Value::secret(&value).ok_or_else(|| at("this vault holds no text".to_owned()))?;
        edits.push((leaf.span.clone(), yaml::scalar(text, leaf, &value).map_err(at)?));
        edits.push((tag.span, String::new()));
        edits.extend(leaf.rest.clone().map(|rest| (rest, String::new())));
        count += 1;
    }
    let text = splice(text, edits).map_err(refuse)?;
    Ok(Opened { text: Secret::new(text.into_bytes()), count })
}

fn collect<'a>(container: &'a Container, leaves: &mut Vec<&'a Leaf>) {
    for item in &container.items {
        match item {
            Item::Child(child) => match &child.node {
                Tree::Leaf(leaf) if !leaf.alias => leaves.push(leaf),
                Tree::Container(inner) => collect(inner, leaves),
                Tree::Leaf(_) => {}
            },
            Item::Comment(_) => {}
        }
    }
}

/// The `$NAME` and `${NAME}` of a value: what `envsubst` would have replaced. Only names are given, so nothing secret is.
pub fn variables(value: &str) -> Vec<String> {
    let mut found: Vec<String> = VARIABLE.find_iter(value).map(|found| found.as_str().to_owned()).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED: &str = "$ANSIBLE_VAULT;1.1;AES256\n";

    #[test]
    fn texts_without_vaults_stay_and_wrong_ones_name_their_line() {
        let plain = "# note\na: 'b'\nl: [1]\n";
        let opened = open_inline(plain, &|_| None).unwrap();
        assert_eq!((opened.text.expose(), opened.count), (plain.as_bytes(), 0));
        let (line, why) = open_inline(&format!("a: b\nc: !vault |\n  {SEALED}  3031\n"), &|_| Some(Secret::new(vec![1]))).unwrap_err();
        assert!(line == 2 && why.contains("damaged"), "{line} {why}");
        assert!(open_inline("a: [\n", &|_| None).unwrap_err().1.contains("no YAML"));
    }

    #[test]
    fn variables_are_found_and_prices_are_not() {
        assert_eq!(variables("a $HOME ${DB_USER} $5 $$ $HOME ${}"), ["$HOME", "${DB_USER}"]);
        assert_eq!(variables("pa$word"), ["$word"]);
    }
}
