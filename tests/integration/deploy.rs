//! A deployment from nothing and back.

use crate::support::Environment;

#[test]
fn up_from_nothing_then_nothing_to_do_then_down_to_nothing() {
    let env = Environment::new();
    let before = env.aws.inventory();
    let up = env.up();
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    assert_eq!(up["summary"]["created"], 60, "{up:#}");
    env.assert_settled();
    let down = env.down();
    assert_eq!(down["summary"]["deleted"], 60, "{down:#}");
    assert_eq!(env.aws.inventory(), before);
}
