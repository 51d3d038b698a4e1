//! The status as a page: one text of HTML that needs nothing else, and no script. Pure: it is made of what was judged already.

mod html;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use html::Html;

/// How a page of ours begins: one that does not is not written over.
pub(crate) const MARK: &str = "<!DOCTYPE html>\n<!-- kubestead status -->\n";
const STYLE: &str = include_str!("../page.css");
/// The most bytes of a page; what is well is left out first.
const MOST: usize = 200_000;

/// A table: its heading, the heads of its columns, and its rows, each of which is well or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) heading: &'static str,
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: Vec<(bool, Vec<String>)>,
    /// What is said where there is no row.
    pub(crate) none: &'static str,
}

/// Something that is held, or away: what, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Todo {
    pub(crate) what: String,
    pub(crate) why: String,
    pub(crate) next: String,
}

/// What a page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The cluster.
    pub(crate) name: String,
    /// When it was seen.
    pub(crate) seen: String,
    /// Whether all is well, and in words.
    pub(crate) is_well: bool,
    pub(crate) verdict: String,
    /// What to type next; nothing if all is well.
    pub(crate) next: Option<String>,
    pub(crate) todo: Vec<Todo>,
    pub(crate) tables: Vec<Table>,
}

/// What a browser may do with a page: use this style, and nothing else.
pub(crate) fn policy() -> String {
    format!("default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'", STANDARD.encode(Sha256::digest(STYLE)))
}

impl Page {
    /// The page.
    pub(crate) fn html(&self) -> String {
        let mut html = Html::default();
        html.own(MARK).own("<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        html.own("<meta http-equiv=\"Content-Security-Policy\" content=\"").text(&policy()).own("\">\n");
        html.own(
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n",
        );
        html.own("<meta name=\"robots\" content=\"noindex\">\n<title>")
            .text(&self.name)
            .own(": ")
            .text(&self.verdict)
            .own("</title>\n<style>");
        html.own(STYLE).own("</style>\n</head>\n<body>\n<header>\n<h1>").text(&self.name).own("</h1>\n<p class=\"quiet\">seen ");
        html.text(&self.seen).own("</p>\n</header>\n<main>\n");
        self.verdict(&mut html);
        self.todo(&mut html);
        let each = MOST.saturating_sub(html.len()) / self.tables.len().max(1);
        for (number, table) in self.tables.iter().enumerate() {
            table.write(number, each, &mut html);
        }
        html.own("</main>\n<footer>\n<p class=\"quiet\">kubestead status tells the same in a terminal; kubestead doctor looks closer.</p>\n</footer>\n</body>\n</html>\n");
        html.into_string()
    }

    fn verdict(&self, html: &mut Html) {
        html.own("<section class=\"verdict ").own(if self.is_well { "good" } else { "bad" }).own("\" aria-label=\"how all is\">\n<strong>");
        html.own(if self.is_well { "✔ " } else { "✘ " }).text(&self.verdict).own("</strong>\n");
        if let Some(next) = &self.next {
            html.own("<p>Next: ").text(next).own("</p>\n");
        }
        html.own("</section>\n");
    }

    fn todo(&self, html: &mut Html) {
        if self.todo.is_empty() {
            return;
        }
        let (begin, most) = (html.len(), MOST / 2);
        html.own("<section aria-labelledby=\"todo\">\n<h2 id=\"todo\">To do</h2>\n<ul>\n");
        for (number, Todo { what, why, next }) in self.todo.iter().enumerate() {
            if html.len() - begin > most {
                html.own("<li>and ").text(&(self.todo.len() - number).to_string()).own(" more: <code>kubestead plan</code></li>\n");
                break;
            }
            html.own("<li><strong>").text(what).own("</strong>: ").text(why);
            if !next.is_empty() {
                html.own("<br>Do: <code>").text(next).own("</code>");
            }
            html.own("</li>\n");
        }
        html.own("</ul>\n</section>\n");
    }
}

impl Table {
    /// Its section, of about so many bytes at most: what is not well comes first.
    fn write(&self, number: usize, most: usize, html: &mut Html) {
        let (begin, id) = (html.len(), format!("t{number}"));
        html.own("<section aria-labelledby=\"").text(&id).own("\">\n<h2 id=\"").text(&id).own("\">").own(self.heading).own("</h2>\n");
        if self.rows.is_empty() {
            html.own("<p>").own(self.none).own("</p>\n</section>\n");
            return;
        }
        html.own("<div class=\"wide\" role=\"group\" tabindex=\"0\" aria-labelledby=\"")
            .text(&id)
            .own("\">\n<table>\n<thead><tr><th scope=\"col\">Well</th>");
        for column in self.columns {
            html.own("<th scope=\"col\">").own(column).own("</th>");
        }
        html.own("</tr></thead>\n<tbody>\n");
        let (bad, good): (Vec<_>, Vec<_>) = self.rows.iter().partition(|(is_good, _)| !is_good);
        let mut left = 0;
        for (is_good, cells) in bad.into_iter().chain(good) {
            if html.len() - begin > most {
                left += 1;
                continue;
            }
            html.own(if *is_good { "<tr><td class=\"good\">✔ yes</td>" } else { "<tr><td class=\"bad\">✘ no</td>" });
            for (column, cell) in cells.iter().enumerate() {
                html.own(if column == 0 { "<th scope=\"row\">" } else { "<td>" }).text(cell);
                html.own(if column == 0 { "</th>" } else { "</td>" });
            }
            html.own("</tr>\n");
        }
        html.own("</tbody>\n</table>\n</div>\n");
        if left > 0 {
            html.own("<p>and ").text(&left.to_string()).own(" more: <code>kubestead status</code></p>\n");
        }
        html.own("</section>\n");
    }
}

#[cfg(test)]
mod tests;
