//! What has become of a resource since its stack made it.

use serde_json::{Map, Value};
use standin_model::Fields;

use crate::about::About;
use crate::evaluate::Made;
use crate::parameters::scalar_text;
use crate::resources::{Difference, Drift, Place, Wanted};
use crate::services::{ServiceResources, missing, salt};

/// Attributes by name, those in maps among them: the settings of a queue lie in one.
fn flat(attributes: &Map<String, Value>) -> Map<String, Value> {
    let mut all = Map::new();
    for (name, value) in attributes {
        match value {
            Value::Object(inner) => all.extend(inner.iter().map(|(name, value)| (name.clone(), value.clone()))),
            value => {
                all.insert(name.clone(), value.clone());
            }
        }
    }
    all
}

impl ServiceResources {
    /// Asks the service of a resource what it is like, and compares that with what it was like when it was made, in what its
    /// template says of it.
    pub(crate) async fn compare(&self, place: &Place, wanted: &Wanted<'_>, made: &Made) -> Drift {
        let Some(kind) = self.kinds.find(wanted.kind) else { return Drift::NotChecked };
        let Some((by, read)) = kind.made_by.as_ref().and_then(|by| Some((by, by.read?))) else {
            return Drift::NotChecked;
        };
        let Some(input) = About::of(made).read_input(&kind, by, read, wanted.properties) else {
            return Drift::NotChecked;
        };
        let output = match self.call(place, by.service, read, input, salt(place, wanted)).await {
            Ok(output) => output,
            Err(error) if missing(&error) => return Drift::Deleted,
            Err(_) => return Drift::NotChecked,
        };
        let mut about = About::default();
        by.learn(&Fields::new(), &output, read, &mut about);
        let (before, now) = (flat(&made.attributes), flat(&about.attributes));
        let named = wanted.properties.as_object().into_iter().flat_map(Map::keys);
        let differences = named.filter_map(|name| {
            let (expected, actual) = (before.get(name).and_then(scalar_text)?, now.get(name).and_then(scalar_text)?);
            (expected != actual).then(|| Difference { property: name.clone(), expected, actual })
        });
        Drift::Checked(differences.collect())
    }
}
