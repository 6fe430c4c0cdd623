//! What botocore's models do not say although clients see it.

use crate::ir::{Kind, Service, Str};

/// HTTP statuses of errors by service and shape. Models of the JSON protocols leave them out; the services send them.
const STATUSES: &[(Str, &[(Str, u16)])] = &[(
    "proton",
    &[
        ("AccessDeniedException", 403),
        ("ConflictException", 409),
        ("ResourceNotFoundException", 404),
        ("ServiceQuotaExceededException", 402),
        ("ThrottlingException", 429),
    ],
)];

/// Adds it. What the model says stays.
pub(crate) fn amend(service: &mut Service) {
    let statuses = STATUSES.iter().filter(|(id, _)| *id == service.id).flat_map(|(_, statuses)| *statuses);
    for (name, status) in statuses {
        let Ok(at) = service.shapes.binary_search_by(|shape| shape.name.cmp(name)) else { continue };
        if let Kind::Structure(structure) = &mut service.shapes[at].kind
            && let Some(error) = &mut structure.error
        {
            error.status.get_or_insert(*status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    #[test]
    fn every_amended_error_is_modelled() {
        for (id, statuses) in STATUSES {
            let service = Catalogue::embedded().newest(id).expect("served").open().expect("readable");
            for (name, status) in *statuses {
                let shape = service.shape_named(name).unwrap_or_else(|| panic!("{id} has no {name}"));
                let error = service.structure(shape).and_then(|structure| structure.error.as_ref());
                assert_eq!(error.map(|error| error.http_status()), Some(*status), "{id} {name}");
            }
        }
    }
}
