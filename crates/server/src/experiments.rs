//! Experiments of AWS FIS: templates and experiments are stored like any resource; what runs are fault rules.
//!
//! Carried out are `aws:fis:inject-api-internal-error`, `-throttle-error` and `-unavailable-error`, for all callers of the
//! account in the experiment's region, and `aws:fis:wait`. An experiment with another action fails when it is started, and says
//! which. When each action begins and ends is settled at the start; how an experiment is follows from the clock.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use standin_core::{Answer, BoxFuture, Call, CallContext, Fidelity, Handler, OperationError, Registry, codes};
use standin_faults::{Faults, Rule};
use standin_model::{Catalogue, Document, Fields, Operation, Service, Timestamp};
use standin_state::{Mode, Resources};
use standin_store::tokens::{self, Token};
use standin_store::{Batch, Space, StoreError};

const SERVICE: &str = "fis";
const OPERATIONS: [&str; 4] = ["StartExperiment", "StopExperiment", "GetExperiment", "ListExperiments"];
const INJECT: &str = "aws:fis:inject-api-";
const WAIT: &str = "aws:fis:wait";
/// Longer than any experiment that anybody waits for: a year.
const DURATION_MS_MAX: i64 = 366 * 86_400_000;
/// How often a plan is stored anew because another call was faster.
const ATTEMPTS_MAX: u32 = 16;
/// Of an experiment: what is the template's, and else is not there at all.
const OF_TEMPLATE: [&str; 6] =
    ["roleArn", "targets", "stopConditions", "logConfiguration", "experimentReportConfiguration", "experimentReport"];

/// Lets experiments run; templates stay with the registry's fallback.
pub(crate) fn register(
    registry: &mut Registry,
    resources: &Arc<Resources>,
    faults: &Arc<Faults>,
    catalogue: &'static Catalogue,
) {
    let experiments = Arc::new(Experiments { resources: Arc::clone(resources), faults: Arc::clone(faults), catalogue });
    for operation in OPERATIONS {
        registry.operation(SERVICE, operation, experiments.clone());
    }
}

struct Experiments {
    resources: Arc<Resources>,
    faults: Arc<Faults>,
    catalogue: &'static Catalogue,
}

impl Handler for Experiments {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        Box::pin(async move {
            if self.resources.mode(SERVICE) == Mode::Stateless {
                return self.resources.handle(call).await;
            }
            let mut answer = match call.context.operation.name {
                "StartExperiment" => self.start(call).await?,
                "StopExperiment" => self.stop(call).await?,
                _ => self.tell(call).await?,
            };
            answer.fidelity = Fidelity::Engine;
            answer.trace.push(Cow::Borrowed("how an experiment is follows from when it was started, by the clock"));
            Ok(answer)
        })
    }

    fn fidelity(&self, _service: &'static Service, _operation: &'static Operation) -> Fidelity {
        if self.resources.mode(SERVICE) == Mode::Stateless { Fidelity::Synthesized } else { Fidelity::Engine }
    }
}

impl Experiments {
    async fn start(&self, call: &mut Call) -> Result<Answer, OperationError> {
        let template = self.template(&call.context, &call.input).await?;
        let skips = text(call.input.get("experimentOptions"), "actionsMode") == Some("skip-all");
        let mut plan = Plan::new(&call.context, template, skips)?;
        // What is no good is told before anything is stored.
        for rule in plan.rules(&call.context, "")? {
            Faults::check(self.catalogue, &rule, call.context.now).map_err(|refused| invalid(refused.to_string()))?;
        }
        let mut answer = self.resources.handle(call).await?;
        let context = &call.context;
        let id = text(answer.output.get("experiment"), "id").unwrap_or_default().to_owned();
        match self.find(context, &id).await.map_err(OperationError::internal)? {
            // The same request again, by its client token.
            Some(known) => plan = known,
            None => {
                for rule in plan.rules(context, &id)? {
                    self.faults
                        .put(self.catalogue, rule, context.now)
                        .map_err(|refused| invalid(refused.to_string()))?;
                }
                self.keep(context, &id, &plan).await.map_err(OperationError::internal)?;
            }
        }
        if let Some(experiment) = answer.output.as_map_mut().and_then(|fields| fields.get_mut("experiment")) {
            plan.show(experiment, context.now);
            if plan.status(context.now) == "running" {
                put(experiment, "state", state("initiating", None));
            }
        }
        Ok(answer)
    }

    async fn stop(&self, call: &mut Call) -> Result<Answer, OperationError> {
        let mut answer = self.resources.handle(call).await?;
        let (context, id) = (&call.context, text(Some(&call.input), "id").unwrap_or_default().to_owned());
        self.forget_rules(&id);
        if let Some(mut plan) = self.find(context, &id).await.map_err(OperationError::internal)?
            && let Some(experiment) = answer.output.as_map_mut().and_then(|fields| fields.get_mut("experiment"))
        {
            let stops = plan.status(context.now) == "running";
            if stops {
                plan.stopped_ms = Some(context.now.as_millis());
                self.keep(context, &id, &plan).await.map_err(OperationError::internal)?;
            }
            plan.show(experiment, context.now);
            if stops {
                put(experiment, "state", state("stopping", None));
            }
        }
        Ok(answer)
    }

    /// How experiments are.
    async fn tell(&self, call: &mut Call) -> Result<Answer, OperationError> {
        let mut answer = self.resources.handle(call).await?;
        let context = &call.context;
        let Some(fields) = answer.output.as_map_mut() else { return Ok(answer) };
        if let Some(experiment) = fields.get_mut("experiment") {
            self.show(context, experiment, false).await?;
        }
        if let Some(Document::List(experiments)) = fields.get_mut("experiments") {
            for experiment in experiments {
                self.show(context, experiment, true).await?;
            }
        }
        Ok(answer)
    }

    async fn show(
        &self,
        context: &CallContext,
        experiment: &mut Document,
        summary: bool,
    ) -> Result<(), OperationError> {
        let Some(id) = text(Some(experiment), "id").map(str::to_owned) else { return Ok(()) };
        let Some(plan) = self.find(context, &id).await.map_err(OperationError::internal)? else { return Ok(()) };
        if plan.status(context.now) != "running" {
            self.forget_rules(&id);
        }
        if summary {
            put(experiment, "state", plan.state(context.now));
        } else {
            plan.show(experiment, context.now);
        }
        Ok(())
    }

    fn forget_rules(&self, id: &str) {
        let prefix = format!("fis-{id}-");
        self.faults.remove(|rule| rule.id.starts_with(&prefix));
    }

    /// The template that an experiment is started from.
    async fn template(&self, context: &CallContext, input: &Document) -> Result<Document, OperationError> {
        let id = text(Some(input), "experimentTemplateId").unwrap_or_default().to_owned();
        let read = context.service.operation("GetExperimentTemplate");
        let operation = read.ok_or_else(|| invalid("this model of FIS has no GetExperimentTemplate"))?;
        let mut asked = Fields::new();
        asked.push("id", id);
        let context = CallContext { operation, mishap: None, ..context.clone() };
        let mut read = Call { context, input: Document::Map(asked), body: None };
        let answer = self.resources.handle(&mut read).await?;
        Ok(answer.output.get("experimentTemplate").cloned().unwrap_or_default())
    }

    async fn find(&self, context: &CallContext, id: &str) -> Result<Option<Plan>, StoreError> {
        let known = tokens::find(&**self.resources.store(), &space(context), id, context.now.as_millis()).await?;
        Ok(known.token.and_then(|token| Plan::read(&token.result)))
    }

    async fn keep(&self, context: &CallContext, id: &str, plan: &Plan) -> Result<(), StoreError> {
        let (store, space) = (&**self.resources.store(), space(context));
        let token = Token { fingerprint: String::new(), result: plan.write(), expires_ms: i64::MAX };
        for _ in 0..ATTEMPTS_MAX {
            let known = tokens::find(store, &space, id, context.now.as_millis()).await?;
            let mut batch = Batch::default();
            batch.keep_token(&space, id, &known, token.clone());
            match store.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict)
    }
}

/// What an experiment does, and when.
struct Plan {
    template: Document,
    /// By name: when each action begins and ends, in milliseconds since 1970.
    times: BTreeMap<String, (i64, i64)>,
    started_ms: i64,
    stopped_ms: Option<i64>,
    skips: bool,
    /// Why it cannot be carried out.
    failure: Option<String>,
}

impl Plan {
    fn new(context: &CallContext, template: Document, skips: bool) -> Result<Self, OperationError> {
        let started_ms = context.now.as_millis();
        let mut durations: BTreeMap<String, (i64, Vec<String>)> = BTreeMap::new();
        let mut failure = None;
        for (name, action) in actions(&template) {
            let id = text(Some(action), "actionId").unwrap_or_default();
            if id != WAIT && error_of(id).is_none() {
                failure.get_or_insert(format!(
                    "{id} of the action {name} is not carried out here; {INJECT}internal-error, {INJECT}throttle-error, \
                     {INJECT}unavailable-error and {WAIT} are"
                ));
                continue;
            }
            let written = text(action.get("parameters"), "duration").unwrap_or_default();
            let duration = iso_duration(written).ok_or_else(|| {
                invalid(format!("the duration {written:?} of the action {name} is none such as PT5M"))
            })?;
            let after = action.get("startAfter").and_then(Document::as_list).unwrap_or_default();
            let after = after.iter().filter_map(Document::as_str).map(str::to_owned).collect();
            durations.insert(name.to_string(), (duration, after));
        }
        let mut times: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        // Each round settles at least one action, or none can be settled.
        while times.len() < durations.len() && failure.is_none() {
            let settled = times.len();
            for (name, (duration, after)) in &durations {
                if let Some(unknown) = after.iter().find(|name| !durations.contains_key(*name)) {
                    return Err(invalid(format!("the action {name} starts after {unknown}, which there is not")));
                }
                let ends: Option<Vec<i64>> = after.iter().map(|name| times.get(name).map(|(_, end)| *end)).collect();
                if let Some(ends) = ends.filter(|_| !times.contains_key(name)) {
                    let start = ends.into_iter().max().unwrap_or(started_ms);
                    times.insert(name.clone(), (start, start.saturating_add(*duration)));
                }
            }
            if times.len() == settled {
                return Err(invalid("the actions wait for each other (startAfter)"));
            }
        }
        Ok(Self { template, times, started_ms, stopped_ms: None, skips, failure })
    }

    /// The fault rules that carry it out.
    fn rules(&self, context: &CallContext, experiment: &str) -> Result<Vec<Rule>, OperationError> {
        if self.skips || self.failure.is_some() {
            return Ok(Vec::new());
        }
        let mut rules = Vec::new();
        for (name, action) in actions(&self.template) {
            let Some(error) = text(Some(action), "actionId").and_then(error_of) else { continue };
            let parameter = |parameter| {
                text(action.get("parameters"), parameter)
                    .ok_or_else(|| invalid(format!("the action {name} has no parameter {parameter}")))
            };
            let percentage: f64 = match text(action.get("parameters"), "percentage") {
                None => 100.0,
                Some(written) => {
                    written.parse().ok().filter(|value| (0.0..=100.0).contains(value)).ok_or_else(|| {
                        invalid(format!("the percentage {written:?} of the action {name} is not from 0 to 100"))
                    })?
                }
            };
            let operations: Vec<&str> = parameter("operations")?.split(',').map(str::trim).collect();
            let Some((from, until)) = self.times.get(&**name) else { continue };
            let rule = json!({
                "id": rule_id(experiment, name),
                "description": format!("action {name} of the experiment {experiment}"),
                "service": parameter("service")?,
                "operation": operations,
                "region": &*context.region,
                "account": &*context.account,
                "probability": percentage / 100.0,
                "windows": [format!(
                    "{}..{}",
                    Timestamp::from_millis(*from).to_date_time(),
                    Timestamp::from_millis(*until).to_date_time()
                )],
                "error": error,
            });
            rules.push(serde_json::from_value(rule).map_err(|error| invalid(error.to_string()))?);
        }
        Ok(rules)
    }

    fn end_ms(&self) -> i64 {
        let planned = self.times.values().map(|(_, end)| *end).max().unwrap_or(self.started_ms);
        if self.skips || self.failure.is_some() { self.started_ms } else { self.stopped_ms.unwrap_or(planned) }
    }

    fn status(&self, now: Timestamp) -> &'static str {
        match (&self.failure, self.stopped_ms) {
            (Some(_), _) => "failed",
            (None, Some(_)) => "stopped",
            (None, None) if now.as_millis() < self.end_ms() => "running",
            (None, None) => "completed",
        }
    }

    fn state(&self, now: Timestamp) -> Document {
        let reason = match self.status(now) {
            "stopped" => Some("the experiment was stopped by a call"),
            _ => self.failure.as_deref(),
        };
        state(self.status(now), reason)
    }

    /// Puts all that it knows into an experiment.
    fn show(&self, experiment: &mut Document, now: Timestamp) {
        for member in OF_TEMPLATE {
            let Some(fields) = experiment.as_map_mut() else { return };
            match self.template.get(member) {
                Some(value) => {
                    fields.insert(member, value.clone());
                }
                None => {
                    fields.remove(member);
                }
            }
        }
        put(experiment, "state", self.state(now));
        put(experiment, "startTime", Timestamp::from_millis(self.started_ms));
        let ended = self.status(now) != "running";
        if ended {
            put(experiment, "endTime", Timestamp::from_millis(self.end_ms()));
        } else if let Some(fields) = experiment.as_map_mut() {
            fields.remove("endTime");
        }
        let actions = actions(&self.template).map(|(name, action)| {
            let mut action = action.clone();
            let times = self.times.get(&**name).copied();
            let status = self.status_of(times, now);
            put(&mut action, "state", state(status, None));
            if let Some((from, until)) =
                times.filter(|_| !matches!(status, "pending" | "cancelled" | "skipped" | "failed"))
            {
                put(&mut action, "startTime", Timestamp::from_millis(from));
                if status != "running" {
                    put(&mut action, "endTime", Timestamp::from_millis(until.min(self.end_ms())));
                }
            }
            (name.clone(), action)
        });
        put(experiment, "actions", Document::Map(actions.collect()));
    }

    fn status_of(&self, times: Option<(i64, i64)>, now: Timestamp) -> &'static str {
        let now = now.as_millis();
        match (times, self.stopped_ms) {
            _ if self.skips => "skipped",
            _ if self.failure.is_some() => "failed",
            (None, _) => "cancelled",
            (Some((_, until)), stopped) if until <= stopped.unwrap_or(now).min(now) => "completed",
            (Some((from, _)), Some(stopped)) if from > stopped => "cancelled",
            (Some(_), Some(_)) => "stopped",
            (Some((from, _)), None) if now < from => "pending",
            (Some(_), None) => "running",
        }
    }

    fn write(&self) -> Document {
        let mut fields = Fields::new();
        fields.push("template", self.template.clone());
        fields.push("started", self.started_ms);
        fields.push("skips", self.skips);
        let times = self.times.iter().map(|(name, (from, until))| {
            (Cow::Owned(name.clone()), Document::List(vec![Document::Int(*from), Document::Int(*until)]))
        });
        fields.push("times", Document::Map(times.collect()));
        if let Some(stopped) = self.stopped_ms {
            fields.push("stopped", stopped);
        }
        if let Some(failure) = &self.failure {
            fields.push("failure", failure.clone());
        }
        Document::Map(fields)
    }

    fn read(kept: &Document) -> Option<Self> {
        let times = kept.get("times")?.as_map()?.iter().filter_map(|(name, times)| match times.as_list()? {
            [from, until] => Some((name.to_string(), (from.as_i64()?, until.as_i64()?))),
            _ => None,
        });
        Some(Self {
            template: kept.get("template")?.clone(),
            times: times.collect(),
            started_ms: kept.get("started")?.as_i64()?,
            stopped_ms: kept.get("stopped").and_then(Document::as_i64),
            skips: kept.get("skips")?.as_bool()?,
            failure: text(Some(kept), "failure").map(str::to_owned),
        })
    }
}

/// The error that an action injects, as fault rules name it.
fn error_of(action: &str) -> Option<&'static str> {
    Some(match action.strip_prefix(INJECT)? {
        "internal-error" => "server",
        "throttle-error" => "throttling",
        "unavailable-error" => "ServiceUnavailable",
        _ => return None,
    })
}

/// Names of actions may hold what the id of a rule may not.
fn rule_id(experiment: &str, action: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    format!("fis-{experiment}-{}", action.chars().map(plain).collect::<String>())
}

fn actions(template: &Document) -> impl Iterator<Item = (&Cow<'static, str>, &Document)> {
    template.get("actions").and_then(Document::as_map).into_iter().flat_map(Fields::iter)
}

/// Reads `PT5M`, `PT1H30M`, `P1DT12H`: ISO 8601, in milliseconds. Years and months are no fixed time.
fn iso_duration(text: &str) -> Option<i64> {
    let rest = text.strip_prefix('P')?;
    let (days, times) = rest.split_once('T').unwrap_or((rest, ""));
    let mut total: i64 = 0;
    let mut any = false;
    for (part, units) in [
        (days, &[('W', 604_800_000), ('D', 86_400_000)][..]),
        (times, &[('H', 3_600_000), ('M', 60_000), ('S', 1000)][..]),
    ] {
        let mut part = part;
        let mut units = units.iter();
        while !part.is_empty() {
            let end = part.find(|c: char| !c.is_ascii_digit())?;
            let number: i64 = part[..end].parse().ok()?;
            let unit = part[end..].chars().next()?;
            let (_, millis) = units.find(|(name, _)| *name == unit)?;
            total = total.checked_add(number.checked_mul(*millis)?)?;
            part = &part[end + unit.len_utf8()..];
            any = true;
        }
    }
    (any && total > 0 && total <= DURATION_MS_MAX).then_some(total)
}

fn space(context: &CallContext) -> Space {
    Space::new(&context.account, &context.region, SERVICE)
}

fn state(status: &'static str, reason: Option<&str>) -> Document {
    let mut fields = Fields::new();
    fields.push("status", status);
    if let Some(reason) = reason {
        fields.push("reason", reason.to_owned());
    }
    Document::Map(fields)
}

fn text<'d>(document: Option<&'d Document>, name: &str) -> Option<&'d str> {
    document?.get(name)?.as_str()
}

fn put(document: &mut Document, name: &'static str, value: impl Into<Document>) {
    if let Document::Map(fields) = document {
        fields.insert(name, value);
    }
}

fn invalid(message: impl Into<String>) -> OperationError {
    OperationError::new(codes::VALIDATION, message)
}

#[cfg(test)]
mod tests {
    use super::iso_duration;

    #[test]
    fn durations_are_iso_8601() {
        for (text, expect) in [
            ("PT5M", Some(300_000)),
            ("PT1H30M", Some(5_400_000)),
            ("P1DT12H", Some(129_600_000)),
            ("P2W", Some(1_209_600_000)),
            ("PT90S", Some(90_000)),
            ("", None),
            ("P", None),
            ("PT", None),
            ("PT0S", None),
            ("5M", None),
            ("P1M", None),
            ("PT1M1H", None),
            ("PT5é", None),
            ("P9999999999999999D", None),
            ("P900000000000000D", None),
        ] {
            assert_eq!(iso_duration(text), expect, "{text}");
        }
    }
}
