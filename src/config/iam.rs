//! Settings of what is made in IAM: the roles' permissions boundary, and the path of roles and policies.

/// A path as IAM's console takes it, for the roles and policies of an environment.
pub(super) const PATH: &str = "an IAM path such as /team/: it begins and ends with `/`, has letters, digits and \
                               . , + @ = _ - in between, no `//`, at most 512 characters, and does not begin with \
                               /aws-service-role/";
/// The ARN of a managed policy.
pub(super) const BOUNDARY: &str =
    "the ARN of a managed policy, such as arn:aws:iam::123456789012:policy/boundary; \"\" for none";

/// "IAM and AWS STS quotas".
const LONGEST_PATH: usize = 512;
/// `arnType`, IAM API reference.
const LONGEST_ARN: usize = 2048;

/// Is this a path that IAM takes, and that means itself alone when it stands in a policy?
pub(super) fn is_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/.,+@=_-".contains(c);
    path.len() <= LONGEST_PATH
        && path.starts_with('/')
        && path.ends_with('/')
        && path.chars().all(plain)
        && !path.contains("//")
        && !path.starts_with("/aws-service-role/")
}

/// Is this the ARN of a managed policy, of whatever partition and account?
pub(super) fn is_policy_arn(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [prefix, partition, service, region, account, resource] = parts[..] else {
        return false;
    };
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let Some((path, name)) = resource.strip_prefix("policy").and_then(|rest| rest.rsplit_once('/')) else {
        return false;
    };
    let named = !name.is_empty()
        && name.len() <= 128
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c));
    prefix == "arn"
        && partition.starts_with("aws")
        && partition.chars().all(word)
        && (service, region) == ("iam", "")
        && (digits || account == "aws")
        && named
        && is_path(&format!("{path}/"))
        && arn.len() <= LONGEST_ARN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_and_ends_with_a_slash() {
        for path in [
            "/",
            "/a/",
            "/team/fraud-2/x_y.z,+@=/",
            &format!("/{}/", "a".repeat(510)),
        ] {
            assert!(is_path(path), "{path}");
        }
        for path in [
            "",
            "a",
            "/a",
            "a/",
            "//",
            "/a//b/",
            "/a b/",
            "/*/",
            "/${x}/",
            "/é/",
            "/a\n/",
            "/aws-service-role/x/",
            &format!("/{}/", "a".repeat(511)),
        ] {
            assert!(!is_path(path), "{path:?}");
        }
    }

    #[test]
    fn a_boundary_is_the_arn_of_a_managed_policy_of_any_partition_and_account() {
        for arn in [
            "arn:aws:iam::123456789012:policy/boundary",
            "arn:aws-us-gov:iam::123456789012:policy/team/a/boundary",
            "arn:aws-cn:iam::aws:policy/PowerUserAccess",
            "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess",
        ] {
            assert!(is_policy_arn(arn), "{arn}");
        }
        for arn in [
            "",
            "boundary",
            "arn:aws:iam::123456789012:role/boundary",
            "arn:aws:iam::12345678901:policy/boundary",
            "arn:aws:iam:us-east-1:123456789012:policy/boundary",
            "arn:aws:iam::123456789012:policy/",
            "arn:aws:iam::123456789012:policyboundary",
            "arn:aws:iam::123456789012:policy/a b",
            "arn:aws:iam::123456789012:policy/*",
            " arn:aws:iam::123456789012:policy/boundary",
            "arn:AWS:iam::123456789012:policy/boundary",
            "arn:aws:s3::123456789012:policy/boundary",
        ] {
            assert!(!is_policy_arn(arn), "{arn}");
        }
    }
}
