//! What differs between AWS's partitions: the rest of the world, China, the governments' clouds, Europe's sovereign one.

/// The end of the names of AWS's hosts in a partition.
pub fn dns_suffix(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "amazonaws.com.cn",
        "aws-eusc" => "amazonaws.eu",
        "aws-iso" => "c2s.ic.gov",
        "aws-iso-b" => "sc2s.sgov.gov",
        "aws-iso-e" => "cloud.adc-e.uk",
        "aws-iso-f" => "csp.hci.ic.gov",
        _ => "amazonaws.com",
    }
}

/// CloudWatch Logs as a principal in policies. All other services that the system has in policies are `amazonaws.com` in
/// every partition; this one has the partition's own suffix in some.
pub fn logs_principal(partition: &str, region: &str) -> String {
    let suffix = match partition {
        "aws-cn" | "aws-iso" | "aws-iso-b" => dns_suffix(partition),
        _ => dns_suffix("aws"),
    };
    format!("logs.{region}.{suffix}")
}

/// The partition that an ARN is in.
pub(super) fn of_arn(arn: &str) -> Option<&str> {
    let partition = arn.strip_prefix("arn:")?.split(':').next()?;
    (!partition.is_empty()).then_some(partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_stands_in_the_callers_arn() {
        for (arn, partition) in [
            ("arn:aws:iam::111122223333:root", Some("aws")),
            ("arn:aws-cn:sts::111122223333:assumed-role/r/s", Some("aws-cn")),
            ("arn:aws-us-gov:iam::111122223333:user/u", Some("aws-us-gov")),
            ("arn:aws-eusc:iam::111122223333:user/u", Some("aws-eusc")),
            ("arn::iam::1:root", None),
            ("", None),
        ] {
            assert_eq!(of_arn(arn), partition, "{arn}");
        }
    }

    #[test]
    fn hosts_and_the_principal_of_logs_follow_the_partition() {
        for (partition, suffix, principal) in [
            ("aws", "amazonaws.com", "logs.r.amazonaws.com"),
            ("aws-cn", "amazonaws.com.cn", "logs.r.amazonaws.com.cn"),
            ("aws-us-gov", "amazonaws.com", "logs.r.amazonaws.com"),
            ("aws-eusc", "amazonaws.eu", "logs.r.amazonaws.com"),
            ("aws-iso", "c2s.ic.gov", "logs.r.c2s.ic.gov"),
            ("aws-iso-b", "sc2s.sgov.gov", "logs.r.sc2s.sgov.gov"),
        ] {
            assert_eq!(dns_suffix(partition), suffix);
            assert_eq!(logs_principal(partition, "r"), principal);
        }
    }
}
