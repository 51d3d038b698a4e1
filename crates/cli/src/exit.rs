//! Exit codes.

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Something failed.
    Failed = 1,
    /// Usage or a bad file.
    Usage = 2,
    /// The plan has changes, and none was made: it was only asked for, or somebody was asked and did not say yes.
    Changes = 3,
    /// Something is held.
    Held = 4,
    /// A host is unreachable.
    Unreachable = 5,
}

/// An error with its exit code and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// What to do, in our own words.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A host to which there was no connection.
    pub(crate) fn unreachable(error: impl std::error::Error) -> Self {
        Self { exit: Exit::Unreachable, ..Self::from(error) }
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            let text = next.to_string();
            if !message.contains(&text) {
                message = format!("{message}\n  because: {text}");
            }
            cause = next.source();
        }
        Self { exit: Exit::Failed, message, hint: None }
    }
}

/// A failure from a message.
pub(crate) fn fail(exit: Exit, message: impl Into<String>) -> Failure {
    Failure { exit, message: message.into(), hint: None }
}
