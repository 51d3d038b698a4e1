//! Which commands a bash script calls, for a test.

use std::collections::BTreeSet;

const BUILTINS: [&str; 35] = [
    ".",
    ":",
    "[",
    "[[",
    "]]",
    "break",
    "cd",
    "command",
    "continue",
    "declare",
    "echo",
    "eval",
    "exec",
    "exit",
    "export",
    "false",
    "kill",
    "local",
    "mapfile",
    "printf",
    "pwd",
    "hash",
    "read",
    "readarray",
    "return",
    "set",
    "shift",
    "shopt",
    "test",
    "trap",
    "true",
    "ulimit",
    "umask",
    "unset",
    "wait",
];
/// After these a command follows.
const OPENERS: [&str; 11] = ["if", "then", "else", "elif", "do", "while", "until", "!", "{", "}", "time"];

/// The names of the functions that a script defines.
pub(super) fn functions(text: &str) -> BTreeSet<String> {
    read(text).functions
}

/// The words at the places of commands, without builtins and without the script's own functions.
pub(super) fn commands(text: &str) -> BTreeSet<String> {
    let Reader { commands, functions, .. } = read(text);
    // What stands behind a closing brace may be the number of a file that is redirected.
    let number = |c: &String| c.bytes().all(|b| b.is_ascii_digit());
    commands.into_iter().filter(|c| !functions.contains(c) && !BUILTINS.contains(&c.as_str()) && !number(c)).collect()
}

fn read(text: &str) -> Reader {
    let mut reader = Reader { text: text.chars().collect(), at: 0, commands: BTreeSet::new(), functions: BTreeSet::new() };
    while reader.at < reader.text.len() {
        reader.list(false);
        reader.at += 1;
    }
    reader
}

struct Reader {
    text: Vec<char>,
    at: usize,
    commands: BTreeSet<String>,
    functions: BTreeSet<String>,
}

impl Reader {
    fn peek(&self, ahead: usize) -> char {
        self.text.get(self.at + ahead).copied().unwrap_or('\0')
    }

    /// Commands up to the parenthesis that closes them; in an array, words.
    fn list(&mut self, array: bool) {
        let (mut command, mut pattern, mut cases, mut condition) = (!array, false, 0, false);
        while self.at < self.text.len() {
            match self.peek(0) {
                ')' if pattern => {
                    self.at += 1;
                    (pattern, command) = (false, true);
                }
                ')' => return,
                ' ' | '\t' => self.at += 1,
                '\\' if self.peek(1) == '\n' => self.at += 2,
                '#' => self.skip_line(),
                ';' if self.peek(1) == ';' => {
                    self.at += 2;
                    (command, pattern) = (false, cases > 0);
                }
                '\n' | ';' | '&' | '|' => {
                    self.at += 1;
                    command = !array && !pattern && !condition;
                }
                '(' => {
                    self.at += 1;
                    self.list(false);
                    self.at += 1;
                    command = false;
                }
                '<' | '>' => self.redirection(),
                _ => {
                    let (word, literal) = self.word();
                    if pattern && word == "esac" {
                        (pattern, cases) = (false, cases - 1);
                    } else if word == "]]" {
                        condition = false;
                    } else if !command || pattern {
                        // An argument.
                    } else if word.ends_with('=') && self.peek(0) == '(' {
                        self.at += 1;
                        self.list(true);
                        self.at += 1;
                    } else if assigns(&word) || OPENERS.contains(&word.as_str()) {
                        // A command may follow.
                    } else if word == "for" && self.peek(1) == '(' {
                        while !(self.peek(0) == ')' && self.peek(1) == ')') && self.at < self.text.len() {
                            self.at += 1;
                        }
                        self.at += 2;
                    } else if word == "for" {
                        while !matches!(self.peek(0), '\n' | ';' | '\0') {
                            self.argument();
                        }
                    } else if word == "case" {
                        while self.argument() != "in" && self.at < self.text.len() {}
                        (cases, pattern) = (cases + 1, true);
                    } else if word == "esac" {
                        (cases, command) = (cases - 1, false);
                    } else if self.peek(0) == '(' && self.peek(1) == ')' {
                        self.functions.insert(word);
                        self.at += 2;
                    } else {
                        condition = word == "[[";
                        command = false;
                        if literal && !matches!(word.as_str(), "fi" | "done") {
                            self.commands.insert(word);
                        }
                    }
                }
            }
        }
    }

    fn skip_line(&mut self) {
        while !matches!(self.peek(0), '\n' | '\0') {
            self.at += 1;
        }
    }

    /// A word that is no command, or what stands between words.
    fn argument(&mut self) -> String {
        match self.peek(0) {
            ' ' | '\t' | '(' | ')' | '&' | '|' => {
                self.at += 1;
                String::new()
            }
            '<' | '>' => {
                self.redirection();
                String::new()
            }
            _ => self.word().0,
        }
    }

    fn redirection(&mut self) {
        self.at += 1;
        if self.peek(0) == '(' {
            self.at += 1;
            self.list(false);
            self.at += 1;
            return;
        }
        while matches!(self.peek(0), '<' | '>' | '&' | ' ' | '|') {
            if self.peek(0) == '<' && self.peek(1) == '(' {
                return;
            }
            self.at += 1;
        }
        self.word();
    }

    /// A word, and whether it has no expansion.
    fn word(&mut self) -> (String, bool) {
        let (mut word, mut literal, begin) = (String::new(), true, self.at);
        while self.at < self.text.len() {
            match self.peek(0) {
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\\' => self.at += 2,
                '\'' => {
                    self.at += 1;
                    while !matches!(self.peek(0), '\'' | '\0') {
                        self.at += 1;
                    }
                    self.at += 1;
                }
                '"' => {
                    self.at += 1;
                    literal = false;
                    while !matches!(self.peek(0), '"' | '\0') {
                        match self.peek(0) {
                            '\\' => self.at += 2,
                            '$' => self.expansion(),
                            _ => self.at += 1,
                        }
                    }
                    self.at += 1;
                }
                '$' => {
                    literal = false;
                    self.expansion();
                }
                c => {
                    word.push(c);
                    self.at += 1;
                }
            }
        }
        self.at = self.at.max(begin + usize::from(word.is_empty() && literal && self.at == begin));
        (word, literal)
    }

    /// From a dollar sign on.
    fn expansion(&mut self) {
        self.at += 1;
        match (self.peek(0), self.peek(1)) {
            ('(', '(') => {
                while !(self.peek(0) == ')' && self.peek(1) == ')') && self.at < self.text.len() {
                    self.at += 1;
                }
                self.at += 2;
            }
            ('(', _) => {
                self.at += 1;
                self.list(false);
                self.at += 1;
            }
            ('{', _) => {
                while !matches!(self.peek(0), '}' | '\0') {
                    match self.peek(0) {
                        '\\' => self.at += 2,
                        '$' => self.expansion(),
                        _ => self.at += 1,
                    }
                }
                self.at += 1;
            }
            _ => {}
        }
    }
}

fn assigns(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        let name = name.strip_suffix('+').unwrap_or(name);
        let name = name.split_once('[').map_or(name, |(name, _)| name);
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_the_words_in_their_places() {
        let text = "own() { stat \"$(sha256sum < \"$1\")\"; } # tar\nif ! grep -q x; then sed y | sort; fi\nfor f in cp mv; do rm \"$f\"; done\n\
            case $x in awk | cut) head ;; *) tail -n 1 ;; esac\na=(ls $(find .)) b=1 wc\nown && [[ -n $x && tee ]] || mkdir -p ${x:-$(id)}\n\
            uniq < <(cat z) > dd; printf '%s' 'tr; ln'\nx+=$((1 + 2)) sync\n(umask 022; touch a)\n\"$x\" df\nwhile read -r y; do od; done < \"$z\"\n\
            for ((j = 2; j <= $#; j += 2)); do ls; done\n";
        let wanted = [
            "cat",
            "find",
            "grep",
            "head",
            "id",
            "ls",
            "mkdir",
            "od",
            "rm",
            "sed",
            "sha256sum",
            "sort",
            "stat",
            "sync",
            "tail",
            "touch",
            "uniq",
            "wc",
        ];
        assert_eq!(commands(text).iter().map(String::as_str).collect::<Vec<_>>(), wanted);
        assert_eq!(functions(text).into_iter().collect::<Vec<_>>(), ["own"]);
    }
}
