//! Each purpose's policies allow what its commands call, on this environment alone, and nothing more.

use super::calls_tests::{BOUNDARY, CALLS, WIDE, asks};
use super::evaluator_tests::{Ask, allows};
use super::parts::*;
use super::purpose::{Bounds, Purpose};
use crate::config::Location;
use crate::config::{Overrides, load};
use crate::stack::Stack;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ALL: [Purpose; 3] = [Purpose::Deploy, Purpose::Diff, Purpose::Operate];

/// The policies for the environment `dev` of the examples.
fn parts_for(purpose: Purpose, bounds: Bounds<'_>) -> Vec<Part> {
    parts_of("dev", ("aws", "eu-west-1"), purpose, "team", bounds)
}

fn parts_of(
    env: &str,
    (partition, region): (&str, &str),
    purpose: Purpose,
    prefix: &str,
    bounds: Bounds<'_>,
) -> Vec<Part> {
    let folder = tempfile::tempdir().unwrap();
    let settings = load(folder.path(), env, &Overrides::default()).unwrap();
    let stack = Stack {
        settings: &settings,
        account: "111122223333",
        region,
        partition,
        endpoint: None,
    };
    let state = Location::Bucket {
        name: "states".to_owned(),
        prefix: prefix.to_owned(),
    };
    parts(&stack, purpose, &state, bounds)
}

fn documents(parts: &[Part]) -> Vec<Value> {
    let json = |part: &Part| serde_json::to_value(&part.document).unwrap();
    parts.iter().map(json).collect()
}

/// What is asked for the calls of a purpose.
fn needed(purpose: Purpose, boundary: Option<&str>) -> Vec<Ask> {
    let whose = match purpose {
        Purpose::Deploy => ['d', 'r'].as_slice(),
        Purpose::Diff => &['r'],
        Purpose::Operate => &['o'],
    };
    let more = BOUNDARY.iter().filter(|_| boundary.is_some());
    let calls = CALLS.iter().chain(more).filter(|(_, of, _)| of.contains(whose));
    calls.flat_map(|call| asks(call, boundary)).collect()
}

fn ask(action: &str, resource: &str, context: &[(&str, &str)]) -> Ask {
    Ask {
        action: action.to_owned(),
        resource: resource.to_owned(),
        context: context
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

/// The same about another environment: the resource is of it, or what is known of the resource says so.
fn foreign(ask: &Ask) -> Vec<Ask> {
    let other = |text: &str| text.replace("dev", "dev2");
    let of = Ask {
        resource: other(&ask.resource),
        ..ask.clone()
    };
    let mut said = ask.clone();
    said.context.values_mut().for_each(|value| *value = other(value));
    let mut unsaid = ask.clone();
    unsaid.context.clear();
    let changed = |other: &Ask| other != ask;
    [of, said, unsaid].into_iter().filter(changed).collect()
}

#[test]
fn every_call_is_allowed_to_whom_makes_it() {
    for purpose in ALL {
        let documents = documents(&parts_for(purpose, Bounds::default()));
        for ask in needed(purpose, None) {
            assert!(allows(&documents, &ask), "{purpose:?} may not {ask:?}");
        }
    }
}

#[test]
fn nothing_is_allowed_on_another_environment() {
    for purpose in ALL {
        let documents = documents(&parts_for(purpose, Bounds::default()));
        for ask in needed(purpose, None) {
            let wide = WIDE.contains(&ask.action.as_str()) && purpose != Purpose::Operate;
            for foreign in foreign(&ask) {
                // Whether SNS says whom a role is passed to is not known.
                let unsaid = foreign.context.is_empty() && foreign.resource.contains("sns-feedback-role-dev");
                let tags = foreign.context.is_empty() && foreign.resource.contains("/tags/");
                if !wide && !unsaid && !tags {
                    assert!(!allows(&documents, &foreign), "{purpose:?} may {foreign:?}");
                }
            }
        }
    }
}

#[test]
fn every_action_of_every_statement_is_needed_by_some_call() {
    for purpose in ALL {
        let documents = documents(&parts_for(purpose, Bounds::default()));
        let needed = needed(purpose, None);
        for (at, document) in documents.iter().enumerate() {
            for (which, statement) in document["Statement"].as_array().unwrap().iter().enumerate() {
                for (index, action) in statement["Action"].as_array().unwrap().iter().enumerate() {
                    let mut without = documents.clone();
                    let actions = &mut without[at]["Statement"][which]["Action"];
                    actions.as_array_mut().unwrap().remove(index);
                    let asks = needed.iter().filter(|ask| action == ask.action.as_str());
                    let lost = asks.filter(|ask| !allows(&without, ask)).count();
                    assert!(lost > 0, "{purpose:?}: nothing needs {action} in {statement:#}");
                }
            }
        }
    }
}

#[test]
fn each_part_fits_whatever_the_names() {
    let longest = "e".repeat(32);
    let path = format!("/{}/", "p".repeat(510));
    let boundary = format!("arn:aws-us-gov:iam::111122223333:policy{path}{}", "b".repeat(128));
    let bounds = Bounds {
        role_path: Some(&path),
        permissions_boundary: Some(&boundary),
    };
    for purpose in ALL {
        let usual = parts_for(purpose, Bounds::default());
        assert!(usual.len() <= 4, "{purpose:?}: {} parts", usual.len());
        let long = parts_of(
            &longest,
            ("aws-us-gov", "us-gov-west-1"),
            purpose,
            &"s".repeat(900),
            bounds,
        );
        // AWS attaches 10 policies to one principal, unless it is asked for more.
        assert!(long.len() <= 10, "{purpose:?}: {} parts", long.len());
        for part in usual.iter().chain(&long) {
            let text = serde_json::to_string(&part.document).unwrap();
            assert_eq!(part.characters, text.chars().filter(|c| !c.is_whitespace()).count());
            assert!(part.characters <= LONGEST, "{}: {}", part.name, part.characters);
            assert!(part.name.len() <= 128, "{}", part.name);
        }
    }
}

#[test]
fn names_and_sids_are_unique_and_every_arn_is_of_the_partition() {
    for purpose in ALL {
        let parts = parts_of("dev", ("aws-cn", "cn-north-1"), purpose, "", Bounds::default());
        let mut names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        names.dedup();
        assert_eq!(names.len(), parts.len());
        let mut sids = BTreeSet::new();
        for document in documents(&parts) {
            assert!(!document.to_string().contains("arn:aws:"), "{document:#}");
            for statement in document["Statement"].as_array().unwrap() {
                let sid = statement["Sid"].as_str().unwrap();
                assert!(sid.chars().all(|c| c.is_ascii_alphanumeric()), "{sid}");
                assert!(sids.insert(sid.to_owned()), "{sid} twice");
            }
        }
    }
}

#[test]
fn a_state_in_a_folder_needs_nothing_of_s3() {
    let folder = tempfile::tempdir().unwrap();
    let settings = load(folder.path(), "dev", &Overrides::default()).unwrap();
    let stack = Stack {
        settings: &settings,
        account: "111122223333",
        region: "eu-west-1",
        partition: "aws",
        endpoint: None,
    };
    for purpose in ALL {
        let parts = parts(&stack, purpose, &Location::Folder("state".into()), Bounds::default());
        assert!(
            !documents(&parts)
                .iter()
                .any(|document| document.to_string().contains("s3:"))
        );
    }
}

#[test]
fn a_star_in_a_prefix_or_a_path_is_no_wildcard() {
    let bounds = Bounds {
        role_path: Some("/a*/$?/"),
        permissions_boundary: None,
    };
    let parts = parts_of("dev", ("aws", "eu-west-1"), Purpose::Deploy, "te*am", bounds);
    let text = serde_json::to_string(&parts).unwrap();
    assert!(text.contains("arn:aws:s3:::states/te${*}am/dev.json"), "{text}");
    assert!(
        text.contains(":role/a${*}/${$}${?}/transaction-processor-role-dev"),
        "{text}"
    );
}

const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
const GUARDRAIL: &str = "arn:aws:iam::111122223333:policy/guardrail";
const ROLE: &str = "arn:aws:iam::111122223333:role/transaction-processor-role-dev";
const FOREIGN_KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/99998888-7777-6666-5555-444433332222";

#[test]
fn nobody_may_detach_a_guardrail() {
    for purpose in ALL {
        let documents = documents(&parts_for(purpose, Bounds::default()));
        for (action, who) in [
            ("iam:DetachUserPolicy", "user/somebody"),
            ("iam:DetachGroupPolicy", "group/people"),
            ("iam:DetachRolePolicy", "role/somebody"),
            ("iam:DetachRolePolicy", "role/transaction-processor-role-dev"),
        ] {
            let who = format!("arn:aws:iam::111122223333:{who}");
            for policy in [GUARDRAIL, "arn:aws:iam::aws:policy/AWSDenyAll"] {
                assert!(
                    !allows(&documents, &ask(action, &who, &[("iam:PolicyARN", policy)])),
                    "{action}"
                );
            }
            assert!(!allows(&documents, &ask(action, &who, &[])), "{action}");
        }
        for action in [
            "iam:CreatePolicyVersion",
            "iam:DeletePolicy",
            "iam:DeletePolicyVersion",
            "iam:SetDefaultPolicyVersion",
        ] {
            assert!(!allows(&documents, &ask(action, GUARDRAIL, &[])), "{action}");
        }
        for action in [
            "iam:DeleteRolePermissionsBoundary",
            "iam:PutRolePermissionsBoundary",
            "iam:PutRolePolicy",
        ] {
            assert!(!allows(&documents, &ask(action, ROLE, &[])), "{action}");
        }
        for action in ["iam:DeleteUserPolicy", "iam:PutUserPolicy", "iam:AttachUserPolicy"] {
            let user = "arn:aws:iam::111122223333:user/deployer";
            let own = [(
                "iam:PolicyARN",
                "arn:aws:iam::111122223333:policy/sns-feedback-policy-dev",
            )];
            assert!(!allows(&documents, &ask(action, user, &own)), "{action}");
        }
        let profile = "arn:aws:iam::111122223333:instance-profile/web";
        assert!(!allows(
            &documents,
            &ask("iam:RemoveRoleFromInstanceProfile", profile, &[])
        ));
    }
}

#[test]
fn nobody_may_give_a_role_more_than_the_system_gives() {
    for purpose in ALL {
        let documents = documents(&parts_for(purpose, Bounds::default()));
        for policy in [ADMINISTRATOR, "arn:aws:iam::aws:policy/PowerUserAccess", GUARDRAIL] {
            let attach = ask("iam:AttachRolePolicy", ROLE, &[("iam:PolicyARN", policy)]);
            assert!(!allows(&documents, &attach), "{policy}");
        }
        for role in ["admin", "transaction-processor-role-prod"] {
            let role = format!("arn:aws:iam::111122223333:role/{role}");
            let to = [("iam:PassedToService", "lambda.amazonaws.com")];
            assert!(!allows(&documents, &ask("iam:PassRole", &role, &to)), "{role}");
        }
        let to = [("iam:PassedToService", "ec2.amazonaws.com")];
        for role in [ROLE, "arn:aws:iam::111122223333:role/sns-feedback-role-dev"] {
            assert!(!allows(&documents, &ask("iam:PassRole", role, &to)), "{role}");
        }
    }
}

/// The tags of our key.
const OURS: [(&str, &str); 2] = [
    ("aws:ResourceTag/fraudctl:env", "dev"),
    ("aws:ResourceTag/fraudctl:address", "security.key"),
];

#[test]
fn nobody_may_take_over_a_foreign_key() {
    let theirs = [
        [].as_slice(),
        &[("aws:ResourceTag/fraudctl:env", "prod"), OURS[1]],
        &[OURS[0], ("aws:ResourceTag/fraudctl:address", "other.key")],
        &[OURS[0]],
    ];
    // Whatever a request says of itself.
    let said = [
        ("aws:RequestTag/fraudctl:env", "dev"),
        ("aws:RequestTag/fraudctl:address", "security.key"),
        ("kms:GrantIsForAWSResource", "true"),
        ("kms:ViaService", "dynamodb.eu-west-1.amazonaws.com"),
    ];
    for purpose in ALL {
        let documents = documents(&parts_for(purpose, Bounds::default()));
        for tags in theirs {
            for action in [
                "kms:CreateAlias",
                "kms:CreateGrant",
                "kms:Decrypt",
                "kms:DeleteAlias",
                "kms:DisableKey",
                "kms:Encrypt",
                "kms:GenerateDataKey",
                "kms:GetKeyPolicy",
                "kms:PutKeyPolicy",
                "kms:ReEncryptFrom",
                "kms:ScheduleKeyDeletion",
                "kms:TagResource",
                "kms:UntagResource",
                "kms:UpdateAlias",
            ] {
                for key in [
                    FOREIGN_KEY,
                    "arn:aws:kms:eu-west-1:111122223333:key/mrk-0123456789abcdef0123456789abcdef",
                ] {
                    let ask = ask(action, key, &[tags, &said].concat());
                    assert!(!allows(&documents, &ask), "{purpose:?} may {ask:?}");
                }
            }
        }
    }
}

#[test]
fn the_key_is_used_only_by_the_services_that_need_it_and_stays_ours() {
    let deploy = documents(&parts_for(Purpose::Deploy, Bounds::default()));
    for action in ["kms:Decrypt", "kms:Encrypt", "kms:CreateGrant"] {
        assert!(!allows(&deploy, &ask(action, FOREIGN_KEY, &OURS)), "{action}");
        let via = [OURS.as_slice(), &[("kms:ViaService", "ec2.eu-west-1.amazonaws.com")]].concat();
        assert!(!allows(&deploy, &ask(action, FOREIGN_KEY, &via)), "{action}");
    }
    let given_away = [OURS.as_slice(), &[("aws:RequestTag/fraudctl:env", "prod")]].concat();
    assert!(!allows(&deploy, &ask("kms:TagResource", FOREIGN_KEY, &given_away)));
    let another = [
        ("aws:RequestTag/fraudctl:env", "prod"),
        ("aws:RequestTag/fraudctl:address", "security.key"),
    ];
    assert!(!allows(&deploy, &ask("kms:CreateKey", "*", &another)));
    assert!(!allows(&deploy, &ask("kms:CreateKey", "*", &[])));
}

#[test]
fn who_looks_changes_nothing() {
    let reads = ["Get", "List", "Describe", "GET", "Decrypt"];
    for document in documents(&parts_for(Purpose::Diff, Bounds::default())) {
        for statement in document["Statement"].as_array().unwrap() {
            for action in statement["Action"].as_array().unwrap() {
                let (_, operation) = action.as_str().unwrap().split_once(':').unwrap();
                assert!(reads.iter().any(|verb| operation.starts_with(verb)), "{action}");
            }
        }
    }
}

#[test]
fn with_a_boundary_no_role_is_without_it() {
    let boundary = "arn:aws:iam::111122223333:policy/boundary";
    let bounds = Bounds {
        role_path: Some("/teams/fraud/"),
        permissions_boundary: Some(boundary),
    };
    let deploy = documents(&parts_for(Purpose::Deploy, bounds));
    let role = "arn:aws:iam::111122223333:role/teams/fraud/transaction-processor-role-dev";
    let own = "arn:aws:iam::111122223333:policy/teams/fraud/transaction-processor-policy-0-dev";
    for action in [
        "iam:CreateRole",
        "iam:PutRolePermissionsBoundary",
        "iam:AttachRolePolicy",
    ] {
        let with = |boundary| [("iam:PolicyARN", own), ("iam:PermissionsBoundary", boundary)];
        assert!(allows(&deploy, &ask(action, role, &with(boundary))), "{action}");
        assert!(!allows(&deploy, &ask(action, role, &with(ADMINISTRATOR))), "{action}");
        assert!(
            !allows(&deploy, &ask(action, role, &[("iam:PolicyARN", own)])),
            "{action}"
        );
        assert!(
            !allows(&deploy, &ask(action, ROLE, &with(boundary))),
            "{action} outside of the path"
        );
    }
    let all =
        json!({"Statement": [{"Effect": "Allow", "Action": "iam:DeleteRolePermissionsBoundary", "Resource": "*"}]});
    let mut more = deploy.clone();
    more.push(all);
    assert!(!allows(&more, &ask("iam:DeleteRolePermissionsBoundary", role, &[])));
    assert!(!allows(&deploy, &ask("iam:CreatePolicyVersion", boundary, &[])));
}

#[test]
fn every_statement_is_explained_and_nothing_else_is() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    let (_, text) = text.split_once("\n| statement |").unwrap();
    let (table, _) = text.split_once("\n\n").unwrap();
    let first = table.lines().filter_map(|line| line.split('|').nth(1));
    let explained: BTreeSet<&str> = first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let bounds = Bounds {
        role_path: None,
        permissions_boundary: Some("arn:aws:iam::111122223333:policy/boundary"),
    };
    let documents: Vec<Value> = ALL
        .iter()
        .flat_map(|purpose| documents(&parts_for(*purpose, bounds)))
        .collect();
    let statements = documents
        .iter()
        .flat_map(|document| document["Statement"].as_array().unwrap());
    let said: BTreeSet<&str> = statements.map(|statement| statement["Sid"].as_str().unwrap()).collect();
    assert_eq!(said, explained);
}
