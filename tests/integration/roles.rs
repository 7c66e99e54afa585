//! Roles and their policies in accounts that demand a permissions boundary or a path for them.

use serde_json::{Value, json};

use crate::support::read::{outputs, the};
use crate::support::{Emulator, Environment, Proxy, Refusal};

const ROLES: [&str; 3] = [
    "transaction-processor-role-dev",
    "pattern-analyzer-role-dev",
    "sns-feedback-role-dev",
];
const POLICIES: [&str; 3] = [
    "transaction-processor-policy-0-dev",
    "pattern-analyzer-policy-0-dev",
    "sns-feedback-policy-dev",
];

/// A policy that is nobody's of ours, to bound roles with. Returns its ARN.
fn boundary(env: &Environment, name: &str) -> String {
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    });
    let policy = json!({"PolicyName": name, "PolicyDocument": document.to_string()});
    let made = env.aws.call("iam", "create_policy", policy);
    made["Policy"]["Arn"].as_str().expect("an ARN").to_owned()
}

fn bound_by(env: &Environment, role: &str) -> Value {
    let found = env.aws.call("iam", "get_role", json!({"RoleName": role}));
    found["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"].clone()
}

fn put(env: &Environment, role: &str, arn: &str) {
    let asked = json!({"RoleName": role, "PermissionsBoundary": arn});
    env.aws.call("iam", "put_role_permissions_boundary", asked);
}

#[test]
fn a_boundary_is_set_kept_changed_and_taken_away_and_that_of_others_is_left_alone() {
    let env = Environment::new().scoring();
    let (ours, theirs) = (boundary(&env, "ours"), boundary(&env, "theirs"));
    let bounded = |arn: &str| env.settings(&format!("permissions_boundary = \"{arn}\"\n"));
    bounded(&ours);
    env.up();
    env.assert_settled();
    for role in ROLES {
        assert_eq!(bound_by(&env, role), ours.as_str(), "{role}");
    }

    // Taken away, and replaced by another: drift, and repaired.
    let (first, second) = (ROLES[0], ROLES[1]);
    env.aws
        .call("iam", "delete_role_permissions_boundary", json!({"RoleName": first}));
    put(&env, second, &theirs);
    let diff = env.diff();
    for address in ["functions.processor_role", "functions.analyzer_role"] {
        let change = the(&diff["changes"], "address", address);
        assert_eq!(change["fields"][0]["path"], "permissions_boundary", "{change:#}");
        assert_eq!(change["fields"][0]["cause"], "drift", "{change:#}");
    }
    env.up();
    env.assert_settled();
    assert_eq!(
        (bound_by(&env, first), bound_by(&env, second)),
        (json!(ours), json!(ours))
    );

    // Another one by the settings.
    bounded(&theirs);
    env.up();
    env.assert_settled();
    assert_eq!(bound_by(&env, first), theirs.as_str());

    // Taken out of the settings, ours goes. Where somebody has put another in its place, that one stays.
    put(&env, second, &ours);
    env.settings("");
    env.up();
    env.assert_settled();
    assert_eq!(
        (bound_by(&env, first), bound_by(&env, second)),
        (Value::Null, json!(ours))
    );

    // Nor is one touched that was never ours.
    put(&env, first, &theirs);
    env.assert_settled();
    env.up();
    assert_eq!(bound_by(&env, first), theirs.as_str());
    env.down();
}

/// What `up` tells where IAM answers this to the creation of a role.
fn refused_role(settings: &str, refusal: Refusal) -> String {
    let env = Environment::new().scoring();
    env.settings(settings);
    let proxy = Proxy::before(Emulator::shared().endpoint());
    proxy.refuse_with(refusal, |call| call.is("iam", "CreateRole"));
    let mut command = env.command(&["up", "--yes"]);
    let output = command.env("AWS_ENDPOINT_URL", proxy.endpoint()).output();
    let output = output.expect("fraudctl starts");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_iam_says_of_a_boundary_is_told_with_the_setting() {
    let arn = "arn:aws:iam::123456789012:policy/nowhere";
    let settings = format!("permissions_boundary = \"{arn}\"\n");
    let missing = Refusal::new(
        404,
        "NoSuchEntity",
        format!("Scope ARN: {arn} does not exist or is not attachable."),
    );
    let told = refused_role(&settings, missing);
    let hint = format!("the permissions boundary {arn} does not exist: check permissions_boundary in fraudctl.toml");
    assert!(told.contains(&hint), "{told}");
    let denied = Refusal::new(403, "AccessDenied", "not authorized to perform: iam:CreateRole");
    let told = refused_role("", denied);
    assert!(
        told.contains("set permissions_boundary or role_path in fraudctl.toml"),
        "{told}"
    );
}

fn paths(env: &Environment) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let role = |name: &&str| {
        let found = env.aws.call("iam", "get_role", json!({"RoleName": name}))["Role"].clone();
        (text(&found["Path"]), text(&found["Arn"]))
    };
    let listed = env.aws.call("iam", "list_policies", json!({"Scope": "Local"}));
    let policy = |name: &&str| {
        let found = the(&listed["Policies"], "PolicyName", name);
        (text(&found["Path"]), text(&found["Arn"]))
    };
    ROLES.iter().map(role).chain(POLICIES.iter().map(policy)).collect()
}

#[test]
fn roles_and_policies_stand_under_their_path_and_move_with_all_that_names_them() {
    let env = Environment::new().scoring();
    let empty = env.aws.inventory();
    env.settings("role_path = \"/team/fraud/\"\n");
    env.up();
    env.assert_settled();
    for (path, arn) in paths(&env) {
        assert_eq!(path, "/team/fraud/");
        assert!(arn.contains("/team/fraud/"), "{arn}");
    }
    let role_of = || {
        let asked = json!({"FunctionName": "transaction-processor-dev"});
        let function = env.aws.call("lambda", "get_function_configuration", asked);
        function["Role"].as_str().expect("an ARN").to_owned()
    };
    let feedback = || {
        let asked = json!({"TopicArn": outputs(&env).arn("messaging.alerts")});
        let topic = env.aws.call("sns", "get_topic_attributes", asked);
        topic["Attributes"]["SQSSuccessFeedbackRoleArn"]
            .as_str()
            .expect("an ARN")
            .to_owned()
    };
    let prefix = |path: &str| format!("arn:aws:iam::{}:role{path}", env.account);
    assert!(
        role_of().starts_with(&prefix("/team/fraud/transaction")),
        "{}",
        role_of()
    );

    // AWS cannot move them: they are replaced, and what names them follows in the same run.
    env.settings("role_path = \"/other/\"\n");
    let diff = env.diff();
    for address in [
        "functions.processor_role",
        "functions.processor_policy",
        "messaging.feedback_role",
    ] {
        let change = the(&diff["changes"], "address", address);
        assert_eq!(change["action"], "replace", "{change:#}");
        let moved = the(&change["fields"], "path", "path");
        assert_eq!(
            (&moved["from"], &moved["to"]),
            (&json!("/team/fraud/"), &json!("/other/"))
        );
    }
    assert_eq!(
        the(&diff["changes"], "address", "functions.processor")["action"],
        "update"
    );
    env.up();
    env.assert_settled();
    for (path, _) in paths(&env) {
        assert_eq!(path, "/other/");
    }
    assert!(role_of().starts_with(&prefix("/other/transaction")), "{}", role_of());
    assert!(feedback().starts_with(&prefix("/other/sns")), "{}", feedback());
    env.run(&["send", "--amount", "10"]).exits(0);

    // Without the setting they are in the root; and a lost state finds them again.
    env.settings("");
    env.up();
    std::fs::remove_file(env.state_file()).expect("there is a state");
    env.up();
    env.assert_settled();
    for (path, _) in paths(&env) {
        assert_eq!(path, "/");
    }
    env.down();
    assert_eq!(env.aws.inventory(), empty);
}

#[test]
fn a_state_of_before_there_were_paths_needs_no_change() {
    let env = Environment::new().scoring();
    env.up();
    let text = std::fs::read_to_string(env.state_file()).expect("there is a state");
    let mut state: Value = serde_json::from_str(&text).expect("the state is JSON");
    let records = state["resources"].as_object_mut().expect("an object");
    for record in records
        .values_mut()
        .filter(|record| record["kind"].as_str().is_some_and(|kind| kind.starts_with("iam.")))
    {
        for side in ["applied", "observed"] {
            if let Some(fields) = record[side].as_object_mut() {
                fields.remove("path");
                fields.remove("permissions_boundary");
            }
        }
    }
    state.as_object_mut().expect("an object").remove("checksum");
    std::fs::write(env.state_file(), state.to_string()).expect("it is written");
    env.assert_settled();
}
