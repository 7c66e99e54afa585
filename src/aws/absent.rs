//! What an answer that something does not exist means to whoever asked.

use crate::resource::{Class, Failure};

/// Answers of LocalStack and its kin by which there is none, where AWS has a code for that and they use one for bad input:
/// the operation, that code, and what stands before and after the name that was asked for. Only a whole sentence that
/// can mean nothing else.
const THERE_IS_NONE: &[(&str, &str, &str, &str)] = &[(
    "cloudwatch:GetDashboard",
    "InvalidParameterValue",
    "Dashboard ",
    " does not exist.",
)];

/// What a read brought; `None` where there is nothing to read.
pub(super) fn present<T>(read: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(why) if why.is_not_found() || says_there_is_none(&why) => Ok(None),
        Err(why) => Err(why),
    }
}

/// What a read brought that not every region and not every emulator knows; `None` also where the operation is not known,
/// since nobody can have set there what nobody can read.
pub(super) fn if_known<T>(read: Result<T, Failure>) -> Result<Option<T>, Failure> {
    const UNKNOWN: [&str; 5] = [
        "UnknownOperationException",
        "UnknownOperation",
        "InvalidAction",
        "NotImplemented",
        "HTTP501",
    ];
    match read {
        Err(why) if UNKNOWN.contains(&why.code.as_str()) => Ok(None),
        // LocalStack's words, and those of what was made from it.
        Err(why) if why.code == "InternalFailure" && why.message.contains("not yet") => Ok(None),
        read => present(read),
    }
}

fn says_there_is_none(why: &Failure) -> bool {
    THERE_IS_NONE.iter().any(|(operation, code, before, after)| {
        let name = why
            .message
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after));
        why.operation == *operation && why.code == *code && name.is_some_and(|name| !name.contains(' '))
    })
}

/// What a read that finds nothing would answer, of an operation that lists.
pub(super) fn absent(operation: &str, name: &str) -> Failure {
    let mut why = Failure::new(operation, "NotFound", format!("there is no {name}"));
    why.class = Class::NotFound;
    why
}

/// The outcome of a delete: gone already is success.
pub(super) fn gone<T>(deleted: Result<T, Failure>) -> Result<(), Failure> {
    present(deleted).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(class: Class) -> Result<u32, Failure> {
        let mut why = Failure::new("apigateway:GetModel", "Code", "");
        why.class = class;
        Err(why)
    }

    #[test]
    fn nothing_to_read_is_no_failure_and_anything_else_is() {
        assert_eq!(present(Ok(1)).unwrap(), Some(1));
        assert_eq!(present(failed(Class::NotFound)).unwrap(), None);
        assert_eq!(present(failed(Class::Permanent)).unwrap_err().class, Class::Permanent);
    }

    #[test]
    fn what_an_endpoint_does_not_know_is_not_set_there() {
        let unknown = |code: &str, message: &str| if_known::<u32>(Err(Failure::new("sns:GetTopic", code, message)));
        assert_eq!(unknown("InvalidAction", "Unknown action").unwrap(), None);
        assert_eq!(
            unknown("InternalFailure", "it has not yet been emulated").unwrap(),
            None
        );
        assert!(unknown("InternalFailure", "try again").is_err());
        assert!(unknown("AccessDenied", "").is_err());
    }

    #[test]
    fn only_a_whole_sentence_of_another_aws_means_that_there_is_none() {
        let read = |operation, code, message| {
            let read: Result<(), Failure> = Err(Failure::new(operation, code, message));
            present(read).is_ok_and(|found| found.is_none())
        };
        let none = "Dashboard fraud-detection-dev does not exist.";
        assert!(read("cloudwatch:GetDashboard", "InvalidParameterValue", none));
        for (operation, code, message) in [
            ("cloudwatch:PutDashboard", "InvalidParameterValue", none),
            ("cloudwatch:GetDashboard", "AccessDenied", none),
            (
                "cloudwatch:GetDashboard",
                "InvalidParameterValue",
                "The value fraud detection for field DashboardName contains invalid characters.",
            ),
            (
                "cloudwatch:GetDashboard",
                "InvalidParameterValue",
                "Dashboard d has a metric whose account does not exist.",
            ),
        ] {
            assert!(!read(operation, code, message), "{operation}: {code}: {message}");
        }
    }

    #[test]
    fn only_what_exists_can_fail_to_be_deleted() {
        assert!(gone(Ok(1)).is_ok());
        assert!(gone(failed(Class::NotFound)).is_ok());
        assert_eq!(gone(failed(Class::Permanent)).unwrap_err().class, Class::Permanent);
    }
}
