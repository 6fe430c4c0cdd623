//! What became of the init hooks. They are run by whoever starts the server; here it is only told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

/// When hooks are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InitStage {
    /// Before the server listens.
    Boot,
    /// As soon as it listens.
    Start,
    /// When everything else is done.
    Ready,
    /// When it was told to stop.
    Shutdown,
}

impl InitStage {
    pub const ALL: [Self; 4] = [Self::Boot, Self::Start, Self::Ready, Self::Shutdown];

    /// As folders are named.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Start => "start",
            Self::Ready => "ready",
            Self::Shutdown => "shutdown",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name().eq_ignore_ascii_case(text))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptState {
    /// Not run yet.
    Unknown,
    Running,
    Successful,
    Error,
}

impl ScriptState {
    fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Running => "RUNNING",
            Self::Successful => "SUCCESSFUL",
            Self::Error => "ERROR",
        }
    }
}

/// All hooks with their states, and the stages that are over.
#[derive(Debug, Default)]
pub struct InitReport(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    completed: [bool; InitStage::ALL.len()],
    scripts: Vec<(InitStage, String, ScriptState)>,
}

impl InitReport {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Announces a hook; the number by which its state is told.
    pub fn add(&self, stage: InitStage, name: impl Into<String>) -> usize {
        let mut told = self.told();
        told.scripts.push((stage, name.into(), ScriptState::Unknown));
        told.scripts.len() - 1
    }

    pub fn set(&self, script: usize, state: ScriptState) {
        if let Some((_, _, known)) = self.told().scripts.get_mut(script) {
            *known = state;
        }
    }

    pub fn complete(&self, stage: InitStage) {
        self.told().completed[stage as usize] = true;
    }

    /// In the form that scripts and test containers know: `{"completed": …, "scripts": […]}`.
    pub(crate) fn to_json(&self, only: Option<InitStage>) -> Value {
        let told = self.told();
        let stage_name = |stage: InitStage| stage.name().to_uppercase();
        let scripts: Vec<Value> = told
            .scripts
            .iter()
            .filter(|(stage, ..)| only.is_none_or(|only| only == *stage))
            .map(|(stage, name, state)| json!({ "stage": stage_name(*stage), "name": name, "state": state.name() }))
            .collect();
        match only {
            Some(stage) => json!({ "completed": told.completed[stage as usize], "scripts": scripts }),
            None => {
                let completed: Map<String, Value> = InitStage::ALL
                    .into_iter()
                    .map(|stage| (stage_name(stage), told.completed[stage as usize].into()))
                    .collect();
                json!({ "completed": completed, "scripts": scripts })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_states_by_stage() {
        let report = InitReport::default();
        let script = report.add(InitStage::Ready, "01.sh");
        report.add(InitStage::Boot, "00.sh");
        report.set(script, ScriptState::Successful);
        report.complete(InitStage::Ready);
        let ready = json!({"stage": "READY", "name": "01.sh", "state": "SUCCESSFUL"});
        assert_eq!(report.to_json(Some(InitStage::Ready)), json!({"completed": true, "scripts": [ready]}));
        assert_eq!(report.to_json(None)["completed"]["BOOT"], json!(false));
        assert_eq!(report.to_json(None)["scripts"][1]["state"], json!("UNKNOWN"));
        assert_eq!(InitStage::parse("READY"), Some(InitStage::Ready));
    }
}
