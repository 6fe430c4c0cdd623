use super::*;

fn stack(tags: &[(&str, &str)]) -> Stack {
    let tags = tags.iter().map(|(name, arn)| ((*name).to_owned(), (*arn).to_owned())).collect();
    Stack { name: "AWSProton-x".into(), tags, ..Stack::default() }
}

#[test]
fn tags_of_either_spelling_tell_what_a_stack_is_for() {
    let check = |tags: &[(&str, &str)], expect: Option<&str>| {
        assert_eq!(stack(tags).subject().map(|subject| subject.title()).as_deref(), expect, "{tags:?}");
    };
    let arn = |resource: &str| format!("arn:aws:proton:eu-west-1:111122223333:{resource}");
    let (environment, service) = (arn("environment/e"), arn("service/s"));
    let instance = arn("service/s/service-instance/i");
    let component = arn("component/c");
    check(&[("proton:environment", &environment)], Some("environment/e"));
    check(&[("aws:proton:environment", &environment)], Some("environment/e"));
    check(
        &[("proton:environment", &environment), ("proton:service", &service), ("proton:service-instance", &instance)],
        Some("service/s/service-instance/i"),
    );
    check(&[("aws:proton:service", &service)], Some("service/s/pipeline"));
    check(
        &[
            ("proton:environment", &environment),
            ("proton:service-instance", &instance),
            ("proton:component", &component),
        ],
        Some("component/c"),
    );
    // What is not whole tells nothing.
    check(&[], None);
    check(&[("proton:environment", "e")], None);
    check(&[("proton:service-instance", &service), ("proton:environment", &environment)], None);
    check(&[("proton:component", &component)], None);
}

#[test]
fn stacks_of_proton_are_known_by_name_or_tags() {
    let named = |name: &str, tags: &[(&str, &str)]| Stack { name: name.into(), ..stack(tags) };
    assert!(named("AWSProton-e", &[]).is_protons());
    assert!(named("mine", &[("proton:environment", "arn:aws:proton:r:a:environment/e")]).is_protons());
    assert!(!named("mine", &[("team", "x")]).is_protons());
}
