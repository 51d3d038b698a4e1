//! Values: blocks, quoted and plain.

use super::{Kind, Scanned, Scanner, mark};
use crate::sops::tree::Problem;

impl Scanner<'_> {
    pub(super) fn block(&mut self) -> Scanned {
        let at = self.at;
        self.skip();
        let mut increment = 0;
        while matches!(self.byte(0), b'+' | b'-' | b'1'..=b'9') {
            if self.byte(0).is_ascii_digit() {
                increment = isize::from(self.byte(0) - b'0');
            }
            self.skip();
        }
        while self.is_blank(0) {
            self.skip();
        }
        if self.byte(0) == b'#' {
            self.line_comment(mark(at));
            while !self.is_break_or_end(0) {
                self.skip();
            }
        }
        if !self.is_break_or_end(0) {
            return Err(Problem::new(at, "a line break is expected behind the begin of this block"));
        }
        self.skip_line();
        let mut indent = if increment > 0 { self.indent.max(0) + increment } else { 0 };
        let mut end = self.at;
        self.block_breaks(&mut indent, &mut end)?;
        while self.column == indent && self.at < self.text.len() {
            while !self.is_break_or_end(0) {
                self.skip();
            }
            self.skip_line();
            self.block_breaks(&mut indent, &mut end)?;
        }
        self.push(Kind::Scalar, at, end);
        Ok(())
    }

    fn block_breaks(&mut self, indent: &mut isize, end: &mut usize) -> Scanned {
        *end = self.at;
        let mut most = 0;
        loop {
            while (*indent == 0 || self.column < *indent) && self.byte(0) == b' ' {
                self.skip();
            }
            most = most.max(self.column);
            if (*indent == 0 || self.column < *indent) && self.byte(0) == b'\t' {
                return Err(self.problem("a tab stands where sops takes only spaces"));
            }
            if self.breaks(0) == 0 {
                break;
            }
            self.skip_line();
            *end = self.at;
        }
        if *indent == 0 {
            *indent = most.max(self.indent + 1).max(1);
        }
        Ok(())
    }

    pub(super) fn quoted(&mut self, quote: u8) -> Scanned {
        let at = self.at;
        self.skip();
        loop {
            if self.document_mark().is_some() || self.at >= self.text.len() {
                return Err(Problem::new(at, "this text has no closing quote"));
            }
            let byte = self.byte(0);
            if quote == b'\'' && byte == quote && self.byte(1) == quote || quote == b'"' && byte == b'\\' && self.breaks(1) == 0 {
                self.skip();
                self.skip();
            } else if byte == quote {
                self.skip();
                break;
            } else if self.breaks(0) > 0 {
                self.skip_line();
            } else {
                self.skip();
            }
        }
        let end = self.at;
        self.push(Kind::Scalar, at, end);
        Ok(())
    }

    pub(super) fn plain(&mut self) -> Scanned {
        let (at, indent) = (self.at, self.indent + 1);
        let (mut end, mut leading) = (at, false);
        loop {
            if self.document_mark().is_some() || self.byte(0) == b'#' {
                break;
            }
            while !self.is_space(0) {
                let byte = self.byte(0);
                if byte == b':' && self.is_space(1) || self.flow > 0 && b",?[]{}".contains(&byte) {
                    break;
                }
                leading = false;
                self.skip();
                end = self.at;
            }
            if !(self.is_blank(0) || self.breaks(0) > 0) {
                break;
            }
            while self.is_blank(0) || self.breaks(0) > 0 {
                if self.breaks(0) > 0 {
                    leading = true;
                    self.skip_line();
                } else {
                    if leading && self.column < indent && self.byte(0) == b'\t' {
                        return Err(self.problem("a tab stands where sops takes only spaces"));
                    }
                    self.skip();
                }
            }
            if self.flow == 0 && self.column < indent {
                break;
            }
        }
        self.push(Kind::Scalar, at, end);
        if leading {
            self.simple_key_allowed = true;
        }
        Ok(())
    }
}
