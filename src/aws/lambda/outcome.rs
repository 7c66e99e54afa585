//! What has become of a function's creation and of its last update.
//! <https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>

use aws_sdk_lambda::types::{FunctionConfiguration, LastUpdateStatus, State};

/// Does a creation or an update go on? An idle function, `Inactive`, wakes up by itself.
pub(super) fn is_busy(config: &FunctionConfiguration) -> bool {
    config.state() == Some(&State::Pending) || config.last_update_status() == Some(&LastUpdateStatus::InProgress)
}

/// Why it could not be made, if it could not.
pub(super) fn creation_failure(config: &FunctionConfiguration) -> Option<String> {
    (config.state() == Some(&State::Failed)).then(|| reason(config.state_reason()))
}

/// Why its last update could not be finished, if it could not. What was never made has none.
pub(super) fn update_failure(config: &FunctionConfiguration) -> Option<String> {
    let failed = config.last_update_status() == Some(&LastUpdateStatus::Failed);
    (failed && creation_failure(config).is_none()).then(|| reason(config.last_update_status_reason()))
}

fn reason(told: Option<&str>) -> String {
    told.filter(|told| !told.trim().is_empty())
        .unwrap_or("AWS gives no reason")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(state: State, update: LastUpdateStatus) -> FunctionConfiguration {
        FunctionConfiguration::builder()
            .state(state)
            .state_reason("no such image")
            .last_update_status(update)
            .last_update_status_reason("no such role")
            .build()
    }

    #[test]
    fn a_function_is_busy_while_its_creation_or_an_update_goes_on_and_not_when_it_is_idle() {
        assert!(is_busy(&config(State::Pending, LastUpdateStatus::Successful)));
        assert!(is_busy(&config(State::Active, LastUpdateStatus::InProgress)));
        for state in [State::Active, State::Inactive, State::Failed] {
            assert!(!is_busy(&config(state, LastUpdateStatus::Successful)));
        }
        assert!(!is_busy(&config(State::Active, LastUpdateStatus::Failed)));
    }

    #[test]
    fn what_failed_is_told_with_its_reason_and_nothing_else_is() {
        let told = |state, update| {
            let config = config(state, update);
            (creation_failure(&config), update_failure(&config))
        };
        let reason = |text: &str| Some(text.to_owned());
        assert_eq!(told(State::Active, LastUpdateStatus::Successful), (None, None));
        assert_eq!(told(State::Inactive, LastUpdateStatus::Successful), (None, None));
        assert_eq!(
            told(State::Active, LastUpdateStatus::Failed),
            (None, reason("no such role"))
        );
        // What was never made has to be made, whatever else is wrong with it.
        for update in [LastUpdateStatus::Successful, LastUpdateStatus::Failed] {
            assert_eq!(told(State::Failed, update), (reason("no such image"), None));
        }
        let silent = FunctionConfiguration::builder()
            .state(State::Failed)
            .state_reason(" ")
            .build();
        assert_eq!(creation_failure(&silent), reason("AWS gives no reason"));
    }
}
