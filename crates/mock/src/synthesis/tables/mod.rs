//! What names of members and resources mean on AWS: data, no code. Templates are those of [`super::template`].

mod marks;
mod resources;
mod texts;

pub(super) use marks::{
    ABSENT, ASIDE, ASPECTS, EXPLAINING, FAILURE_MARKS, FALSE_MARKS, GENERIC, NO_FAILURES, NUMBERS, ONLY_WITH, OTHERS,
    SYNONYMS, TRUE_MARKS, UNIONS, USUAL,
};
pub(super) use resources::{ARNS, GLOBAL, ID_STYLES, IDS, NAME_STYLES, NAMES, SPECIAL, TAG_KEYS, TAG_VALUES};
pub(super) use texts::TEXTS;
