//! The ARNs of new resources, in their services' own forms.

use std::collections::HashMap;
use std::sync::LazyLock;

use standin_model::words::squash;

use crate::names::Noun;

/// `service, resource, R A, form` in lines.
static FORMS: &str = include_str!("arns.tsv");

/// One form of ARN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    service: &'static str,
    resource: &'static str,
    region: bool,
    account: bool,
    form: &'static str,
}

static BY_SERVICE: LazyLock<HashMap<&'static str, Vec<Form>>> = LazyLock::new(|| {
    let mut forms: HashMap<_, Vec<Form>> = HashMap::new();
    for line in FORMS.lines().filter(|line| !line.starts_with('#')) {
        let [service, resource, has, form] = line.split('\t').collect::<Vec<_>>()[..] else { continue };
        let form = Form { service, resource, region: has.contains('R'), account: has.contains('A'), form };
        forms.entry(service).or_default().push(form);
    }
    forms
});

/// The forms for a kind of resource, the likeliest first.
pub(crate) fn forms(services: &[&str], noun: &Noun) -> Vec<Form> {
    let mut found: Vec<(usize, Form)> = Vec::new();
    for form in services.iter().filter_map(|service| BY_SERVICE.get(service)).flatten() {
        let resource = form.resource.split('/').next().unwrap_or_default();
        let unlike = if resource == noun.text {
            0
        } else if noun.endings.iter().any(|ending| ending == resource) {
            100 + noun.text.len().saturating_sub(resource.len())
        } else if noun.text.len() >= 4 && resource.ends_with(&noun.text) {
            200 + resource.len() - noun.text.len()
        } else if resource.len() >= 4 && (noun.text.ends_with(resource) || noun.text.starts_with(resource)) {
            300 + noun.text.len() - resource.len()
        } else {
            continue;
        };
        found.push((unlike, *form));
    }
    found.sort_by_key(|(unlike, form)| (*unlike, form.form));
    found.into_iter().map(|(_, form)| form).collect()
}

impl Form {
    /// The ARN, where everything in it is known. `fill` tells what stands in a place, by its squashed name; its last
    /// argument is whether it is the last place, which is the resource's own.
    pub(crate) fn fill(
        &self,
        partition: &str,
        region: &str,
        account: &str,
        mut fill: impl FnMut(&str, bool) -> Option<String>,
    ) -> Option<String> {
        let region = if self.region { region } else { "" };
        let account = if self.account { account } else { "" };
        let mut arn = format!("arn:{partition}:{}:{region}:{account}:", self.service);
        let mut rest = self.form;
        while let Some((text, more)) = rest.split_once('{') {
            let (place, after) = more.split_once('}')?;
            arn.push_str(text);
            let value = match place {
                "Partition" => partition.to_owned(),
                "Region" => region.to_owned(),
                "Account" => account.to_owned(),
                _ => fill(&squash(place), !after.contains('{'))?,
            };
            arn.push_str(&value);
            rest = after;
        }
        arn.push_str(rest);
        Some(arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(service: &str, noun: &str, expect: &str) {
        let form = forms(&[service], &Noun::new(noun))[0];
        let arn = form.fill("aws", "eu-west-1", "111122223333", |place, _| Some(place.to_owned()));
        assert_eq!(arn.as_deref(), Some(expect));
    }

    #[test]
    fn forms_are_found_by_noun() {
        check(
            "aps",
            "RuleGroupsNamespace",
            "arn:aws:aps:eu-west-1:111122223333:rulegroupsnamespace/workspaceid/namespace",
        );
        check("cloud9", "Environment", "arn:aws:cloud9:eu-west-1:111122223333:environment:resourceid");
        check("ses", "Archive", "arn:aws:ses:eu-west-1:111122223333:mailmanager-archive/archiveid");
    }

    #[test]
    fn every_line_is_a_form() {
        let lines = FORMS.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(BY_SERVICE.values().map(Vec::len).sum::<usize>(), lines);
    }
}
