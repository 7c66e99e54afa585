//! Whom a policy is for.

/// What somebody runs fraudctl for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To deploy and remove: `up`, `down`, and all that `Diff` is for.
    Deploy,
    /// To look, and change nothing: `diff`, `status`, `output`.
    Diff,
    /// To use what stands: `send`, `output api_key`, `label`, `rules`, `load`, `train --from table`.
    Operate,
}

impl Purpose {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Diff => "diff",
            Self::Operate => "operate",
        }
    }
}

/// What an account demands of the roles that are made in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds<'a> {
    /// The path of roles and policies, `/` at both ends.
    pub role_path: Option<&'a str>,
    /// The ARN of the policy that bounds every role.
    pub permissions_boundary: Option<&'a str>,
}
