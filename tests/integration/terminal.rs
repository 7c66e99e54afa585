//! On a terminal the command asks before it changes anything, and shows what runs.

use crate::support::{Environment, Run};

/// Asserts that nothing was changed, and that the plan and the question were shown.
#[track_caller]
fn assert_untouched(env: &Environment, before: &[String], run: &Run) {
    assert_eq!(env.aws.inventory(), before, "{run:#?}");
    assert!(!env.state_file().exists(), "a state was written: {run:#?}");
    for text in ["Plan: 60 to create.", "Proceed? [y/N] "] {
        assert!(shown(run).contains(text), "does not show {text:?}: {run:#?}");
    }
}

/// What the terminal shows, without colours and the moves of the cursor.
fn shown(run: &Run) -> String {
    let mut text = String::new();
    let mut rest = run.stdout.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            text.push(c);
        } else if rest.next_if_eq(&'[').is_some() {
            // A sequence ends with its first letter.
            rest.by_ref().find(char::is_ascii_alphabetic);
        }
    }
    text
}

#[test]
fn whoever_does_not_say_yes_changes_nothing() {
    let env = Environment::new();
    let before = env.aws.inventory();
    // No, nothing at all, something else, and the end of the input.
    for answer in ["n\n", "\n", "maybe\n", "\u{4}"] {
        let run = env.run_on_terminal(&["up"], answer).exits(1);
        assert!(shown(&run).contains("fraudctl: nothing was changed"), "{run:#?}");
        assert_untouched(&env, &before, &run);
    }
    // Ctrl-C.
    let run = env.run_on_terminal(&["up"], "\u{3}").exits(130);
    assert!(
        shown(&run).contains("fraudctl: interrupted; nothing was changed"),
        "{run:#?}"
    );
    assert_untouched(&env, &before, &run);
}

#[test]
fn whoever_says_yes_sees_what_runs_and_gets_all_of_it() {
    let env = Environment::new();
    let before = env.aws.inventory();
    let run = env.run_on_terminal(&["up"], "y\n").exits(0);
    let text = shown(&run);
    // A line of what runs names the kind; those of the plan and of what is done do not so.
    let running = ["(kms.key)", "(dynamodb.table)", "(lambda.function)", "(sns.topic)"];
    let line = running.iter().any(|kind| text.contains(kind));
    assert!(
        line && text.contains("create security.key"),
        "no line of what runs: {text}"
    );
    for says in ["security.key created", "Done: 60 steps", "What stands:", "Try it:"] {
        assert!(text.contains(says), "does not show {says:?}: {text}");
    }
    env.assert_settled();

    // Nothing to do is nothing to ask about.
    let run = env.run_on_terminal(&["up"], "n\n").exits(0);
    assert!(!shown(&run).contains("Proceed?"), "{run:#?}");

    let run = env.run_on_terminal(&["down"], "n\n").exits(1);
    assert!(shown(&run).contains("nothing was changed"), "{run:#?}");
    env.assert_settled();
    env.run_on_terminal(&["down"], "yes\n").exits(0);
    assert_eq!(env.aws.inventory(), before);
}
