//! Tags: which are ours to see, how a service takes them, and how those of a resource become the desired ones.

use crate::resource::{Class, Failure, Owner, TAG_REGION, Tags};
use std::fmt::Display;
use std::future::Future;

/// The tags that are not AWS's own.
pub(super) fn ours(tags: impl IntoIterator<Item = (String, String)>) -> Tags {
    tags.into_iter().filter(|(key, _)| !key.starts_with("aws:")).collect()
}

/// Whose something is by the region in its tags, where AWS keeps it for all regions at once: what serves the environment of
/// one region is not that of another, though it has the same name.
pub(super) fn owner(tags: &Tags, region: &str) -> Owner {
    match tags.get(TAG_REGION) {
        Some(of) if of != region => Owner::Elsewhere(format!(
            "it serves the region {of}, by its tag {TAG_REGION}; use another environment name in {region}"
        )),
        _ => Owner::Usual,
    }
}

/// Tags as a list of a service's own type, which `build` makes of a key and a value. `operation` takes them.
pub(super) fn list<T, E: Display>(
    tags: &Tags,
    operation: &str,
    build: impl Fn(&str, &str) -> Result<T, E>,
) -> Result<Vec<T>, Failure> {
    tags.iter()
        .map(|(key, value)| build(key, value))
        .collect::<Result<_, _>>()
        .map_err(|why: E| Failure::new(operation, "InvalidTag", why.to_string()))
}

/// Brings a resource's tags from `live` to `desired`: `untag` takes away those whose keys are not desired, then `tag`
/// sets those that are new or have another value. Neither is called for nothing.
///
/// Tags that AWS does not let us take away are told only when all others are done, as [`Class::TagsKept`]; see
/// [`told_last`].
pub(super) async fn sync<U, T, A, B>(
    live: &Tags,
    desired: &Tags,
    untag: impl Fn(Vec<String>) -> U,
    tag: impl FnOnce(Tags) -> T,
) -> Result<(), Failure>
where
    U: Future<Output = Result<A, Failure>>,
    T: Future<Output = Result<B, Failure>>,
{
    let gone: Vec<String> = live.keys().filter(|key| !desired.contains_key(*key)).cloned().collect();
    let kept = take_away(gone, untag).await?;
    let mut differing = desired.clone();
    differing.retain(|key, value| live.get(key) != Some(&*value));
    if !differing.is_empty() {
        tag(differing).await?;
    }
    kept.map_or(Ok(()), Err)
}

/// What [`sync`] ended with, for an update that goes on after it: only tags that stay are no reason to stop, and are told
/// at its end.
pub(super) fn told_last(ended: Result<(), Failure>) -> Result<Result<(), Failure>, Failure> {
    match ended {
        Err(why) if why.class != Class::TagsKept => Err(why),
        ended => Ok(ended),
    }
}

/// Takes tags away. Where AWS refuses, each is tried alone: a rule of the organisation may keep but one of them. Returns
/// what is to be told of those that stay.
async fn take_away<U, A>(gone: Vec<String>, untag: impl Fn(Vec<String>) -> U) -> Result<Option<Failure>, Failure>
where
    U: Future<Output = Result<A, Failure>>,
{
    if gone.is_empty() {
        return Ok(None);
    }
    let refused = match untag(gone.clone()).await {
        Ok(_) => return Ok(None),
        Err(why) if why.is_denied() => why,
        Err(why) => return Err(why),
    };
    if gone.len() == 1 {
        return Ok(Some(kept(refused, &gone)));
    }
    let (mut stay, mut last) = (Vec::new(), refused);
    for key in gone {
        match untag(vec![key.clone()]).await {
            Ok(_) => {}
            Err(why) if why.is_denied() => {
                stay.push(key);
                last = why;
            }
            Err(why) => return Err(why),
        }
    }
    Ok((!stay.is_empty()).then(|| kept(last, &stay)))
}

fn kept(mut why: Failure, keys: &[String]) -> Failure {
    let hint = format!(
        "the tags {} stay as they are. Where others put them there, leave them alone with ignore_tags = {keys:?} in \
         fraudctl.toml; else allow {} for the principal that runs fraudctl",
        keys.join(", "),
        why.operation
    );
    why.class = Class::TagsKept;
    why.hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    /// The calls that bring `live` to `desired`, in order.
    async fn calls(live: &[(&str, &str)], desired: &[(&str, &str)]) -> Vec<String> {
        let made = RefCell::new(Vec::new());
        let note = |call: String| {
            made.borrow_mut().push(call);
            std::future::ready(Ok::<_, Failure>(()))
        };
        let untag = |keys: Vec<String>| note(format!("untag {keys:?}"));
        let tag = |tags: Tags| note(format!("tag {tags:?}"));
        sync(&tags(live), &tags(desired), untag, tag).await.unwrap();
        made.into_inner()
    }

    #[test]
    fn tags_of_aws_itself_are_not_ours_to_see() {
        let found = tags(&[("aws:cloudformation:stack-id", "1"), ("Project", "p")]);
        assert_eq!(ours(found), tags(&[("Project", "p")]));
    }

    #[test]
    fn a_tag_that_cannot_be_built_is_told_with_the_operation() {
        let build = |key: &str, value: &str| match value {
            "" => Err(format!("{key} has no value")),
            value => Ok(format!("{key}={value}")),
        };
        assert_eq!(
            list(&tags(&[("a", "1"), ("b", "2")]), "sns:TagResource", build).unwrap(),
            ["a=1", "b=2"]
        );
        let why = list(&tags(&[("a", "")]), "sns:TagResource", build).unwrap_err();
        assert_eq!(why.to_string(), "sns:TagResource: InvalidTag: a has no value");
    }

    #[test]
    fn what_serves_another_region_is_not_ours_and_what_says_nothing_of_a_region_is_as_usual() {
        let of = |region: &[(&str, &str)]| owner(&tags(region), "eu-west-1");
        assert_eq!(of(&[]), Owner::Usual);
        assert_eq!(of(&[("fraudctl:region", "eu-west-1")]), Owner::Usual);
        let theirs = of(&[("fraudctl:region", "us-east-1")]);
        assert!(matches!(theirs, Owner::Elsewhere(why) if why.contains("us-east-1")));
    }

    #[tokio::test]
    async fn what_is_gone_is_taken_away_before_what_differs_is_set() {
        let live = [("same", "1"), ("other", "1"), ("old", "1")];
        let desired = [("same", "1"), ("other", "2"), ("new", "1")];
        assert_eq!(
            calls(&live, &desired).await,
            [r#"untag ["old"]"#, r#"tag {"new": "1", "other": "2"}"#]
        );
    }

    #[tokio::test]
    async fn nothing_is_called_for_nothing() {
        let one = [("a", "1")];
        assert!(calls(&one, &one).await.is_empty());
        assert_eq!(calls(&one, &[]).await, [r#"untag ["a"]"#]);
        assert_eq!(calls(&[], &one).await, [r#"tag {"a": "1"}"#]);
    }

    fn denied() -> Failure {
        Failure::new(
            "sqs:UntagQueue",
            "AccessDenied",
            "explicit deny in a service control policy",
        )
    }

    #[tokio::test]
    async fn a_tag_that_may_not_be_taken_away_holds_up_no_other_and_is_told_with_its_key() {
        let made = RefCell::new(Vec::new());
        let untag = |keys: Vec<String>| {
            made.borrow_mut().push(format!("untag {keys:?}"));
            let guarded = keys.iter().any(|key| key == "guarded");
            std::future::ready(if guarded { Err(denied()) } else { Ok(()) })
        };
        let tag = |tags: Tags| {
            made.borrow_mut().push(format!("tag {tags:?}"));
            std::future::ready(Ok::<_, Failure>(()))
        };
        let live = tags(&[("guarded", "1"), ("old", "1")]);
        let why = sync(&live, &tags(&[("new", "1")]), untag, tag).await.unwrap_err();
        assert_eq!(why.class, Class::TagsKept);
        let told = why.to_string();
        assert!(
            told.contains("ignore_tags = [\"guarded\"]") && !told.contains("old"),
            "{told}"
        );
        assert!(told.contains("service control policy"), "{told}");
        let calls = [
            r#"untag ["guarded", "old"]"#,
            r#"untag ["guarded"]"#,
            r#"untag ["old"]"#,
            r#"tag {"new": "1"}"#,
        ];
        assert_eq!(made.into_inner(), calls);
    }

    #[tokio::test]
    async fn what_fails_in_another_way_is_told_as_it_is() {
        let busy = || Failure::new("sqs:UntagQueue", "ServiceUnavailable", "later");
        let fail = |_| std::future::ready(Err::<(), _>(busy()));
        let tag = |_: Tags| std::future::ready(Ok::<_, Failure>(()));
        let why = sync(&tags(&[("a", "1")]), &Tags::new(), fail, tag).await.unwrap_err();
        assert_eq!((why.class, why.code.as_str()), (Class::Permanent, "ServiceUnavailable"));
    }
}
