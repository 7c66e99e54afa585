use std::fmt;

/// What a failed call means for whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It will fail again: wrong input, no permission, a limit reached.
    Permanent,
    /// What was named does not exist.
    NotFound,
    /// What was to be created exists already.
    Exists,
    /// The call may have taken effect, but its reply was lost. Look before doing it again.
    Ambiguous,
    /// It was retried for as long as its budget allows and still does not work.
    Exhausted,
    /// All of an update was done but that tags were taken away, which AWS refuses.
    TagsKept,
}

/// Why an operation on a resource failed: what was done, what came back, and what to do next.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What it means.
    pub class: Class,
    /// The service and operation, as IAM writes it: `sqs:CreateQueue`.
    pub operation: String,
    /// The service's error code, or a short word of our own where no reply came.
    pub code: String,
    /// The service's own message.
    pub message: String,
    /// The service's request id, which AWS support asks for.
    pub request_id: Option<String>,
    /// What to do next, where we know it.
    pub hint: Option<Box<str>>,
}

impl Failure {
    /// A failure found by ourselves, not told by a service.
    pub fn new(operation: &str, code: &str, message: impl Into<String>) -> Self {
        Self {
            class: Class::Permanent,
            operation: operation.to_owned(),
            code: code.to_owned(),
            message: message.into(),
            request_id: None,
            hint: None,
        }
    }

    /// The same failure with advice on what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Is this "you may not"? Services have several words for it.
    pub fn is_denied(&self) -> bool {
        let words = ["AccessDenied", "UnauthorizedOperation", "AuthorizationError"];
        words.iter().any(|word| self.code.contains(word))
    }

    /// Is this "it does not exist"?
    pub fn is_not_found(&self) -> bool {
        self.class == Class::NotFound
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.operation, self.code, self.message)?;
        if let Some(id) = &self.request_id {
            write!(f, " (request id {id})")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// An error with everything that caused it, each said once, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
