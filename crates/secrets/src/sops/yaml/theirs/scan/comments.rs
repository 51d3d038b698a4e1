//! Comments: read, and put down for the tokens that they belong to.

use super::{Kind, Mark, Part, Scanner, Token, Waiting, mark};

impl Scanner<'_> {
    /// What stands behind a first dash belongs to what follows.
    pub(super) fn lift_line_comment(&mut self) {
        let opens = matches!(self.tokens.as_slice(), [.., Token { kind: Kind::ListStart, .. }, Token { kind: Kind::Entry, .. }]);
        let (is_break, at, line) = (self.breaks(0) > 0, mark(self.at), self.line);
        if let Some(comment) = self.comments.last_mut().filter(|comment| opens && !comment.line.is_empty() && !is_break) {
            comment.head = std::mem::take(&mut comment.line);
            if comment.start_line + 1 == line {
                comment.token = at;
            }
        }
    }

    /// Reads the comment whose `#` is `ahead`; its begin.
    fn comment(&mut self, ahead: usize) -> usize {
        let begin = self.at + ahead;
        while self.at < begin {
            if self.breaks(0) > 0 { self.skip_line() } else { self.skip() }
        }
        while !self.is_break_or_end(0) {
            self.skip();
        }
        begin
    }

    pub(super) fn line_comment(&mut self, belongs: Mark) {
        if self.newlines > 0 {
            return;
        }
        let ahead = (0..512).find(|ahead| !self.is_blank(*ahead));
        let Some(ahead) = ahead.filter(|ahead| self.byte(*ahead) == b'#') else { return };
        let start_line = self.line;
        let begin = self.comment(ahead);
        let line = vec![Part::Line(begin)];
        self.comments.push(Waiting { token: belongs, start: mark(begin), start_line, line, ..Waiting::default() });
    }

    pub(super) fn scan_comments(&mut self, scan: usize, scan_line: usize) {
        let Some(mut token) = self.tokens.last().copied() else { return };
        if let [.., before, Token { kind: Kind::FlowEntry, .. }] = self.tokens.as_slice() {
            token = *before;
        }
        let next_indent = self.indent.max(0);
        let (mut scan, mut belongs) = (mark(scan), token.start);
        let mut start = (0, 0, 0);
        let (mut recent_empty, mut first_empty) = (false, self.newlines <= 1);
        let (mut line, mut column) = (self.line, self.column);
        let mut foot_line = -1;
        if scan_line > 0 {
            foot_line = mark(self.line) - mark(self.newlines) + 1;
            if self.newlines == 0 && self.column > 1 {
                foot_line += 1;
            }
        }
        let mut text: Vec<Part> = Vec::new();
        let mut ahead = 0;
        while ahead < 512 {
            column += 1;
            if self.is_blank(ahead) {
                ahead += 1;
                continue;
            }
            let byte = self.byte(ahead);
            let closes = self.flow > 0 && matches!(byte, b']' | b'}');
            let here = self.at + ahead;
            if closes || self.is_break_or_end(ahead) {
                if closes || !recent_empty {
                    let dedented = start.2 - 1 < next_indent;
                    if closes || first_empty && (mark(start.1) == foot_line && token.kind != Kind::Value || dedented) {
                        if !text.is_empty() {
                            if dedented {
                                belongs = start.0;
                            }
                            self.wait(scan, belongs, start, mark(here), std::mem::take(&mut text), true);
                            (scan, belongs) = (mark(here), mark(here));
                        }
                    } else if !text.is_empty() && byte != 0 {
                        text.push(Part::Break);
                    }
                }
                if self.breaks(ahead) == 0 {
                    break;
                }
                (first_empty, recent_empty, column) = (false, true, 0);
                line += 1;
                ahead += 1;
                continue;
            }
            if !text.is_empty() && (closes || column - 1 < next_indent && column != start.2) {
                self.wait(scan, belongs, start, mark(here), std::mem::take(&mut text), true);
                (scan, belongs) = (mark(here), mark(here));
            }
            if byte != b'#' {
                break;
            }
            if text.is_empty() {
                start = (mark(here), line, column);
            } else {
                text.push(Part::Break);
            }
            recent_empty = false;
            let begin = self.comment(ahead);
            text.push(Part::Line(begin));
            // The line break behind it is passed unseen.
            ahead = 1;
            column = 0;
            line = self.line;
        }
        if !text.is_empty() {
            let end = mark(self.at + ahead) - 1;
            self.wait(scan, start.0, start, end, text, false);
        }
    }

    fn wait(&mut self, scan: Mark, token: Mark, start: (Mark, usize, isize), end: Mark, text: Vec<Part>, foot: bool) {
        let start_column = usize::try_from(start.2).unwrap_or(0);
        let (head, foot) = if foot { (Vec::new(), text) } else { (text, Vec::new()) };
        self.comments.push(Waiting { scan, token, start: start.0, start_line: start.1, start_column, end, head, line: Vec::new(), foot });
    }
}
