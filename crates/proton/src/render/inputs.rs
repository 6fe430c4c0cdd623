//! What templates can name: Proton's namespaces, for environments, instances, pipelines and components.

use serde_json::{Map, Value, json};

use crate::spec::Inputs;

/// Names and values; values are strings.
pub type Outputs = Map<String, Value>;

/// The resource that is rendered.
#[derive(Clone, Copy, Debug)]
pub enum Target<'t> {
    Environment(&'t EnvironmentInputs),
    Instance(&'t InstanceInputs),
    Pipeline(&'t PipelineInputs),
    Component(&'t ComponentInputs),
}

/// An environment that is rendered.
#[derive(Clone, Debug, Default)]
pub struct EnvironmentInputs {
    pub name: String,
    /// Where its infrastructure lives.
    pub account_id: String,
    pub inputs: Inputs,
}

/// The environment that something else lives in.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    pub name: String,
    pub account_id: String,
    pub outputs: Outputs,
}

/// The service that something belongs to. The last three are empty where it has no pipeline.
#[derive(Clone, Debug, Default)]
pub struct ServiceInputs {
    pub name: String,
    pub branch_name: String,
    pub repository_id: String,
    pub repository_connection_arn: String,
}

#[derive(Clone, Debug, Default)]
pub struct InstanceInputs {
    pub environment: Surroundings,
    pub service: ServiceInputs,
    pub name: String,
    pub inputs: Inputs,
    /// Name and outputs of the component that is attached.
    pub component: Option<(String, Outputs)>,
}

#[derive(Clone, Debug, Default)]
pub struct PipelineInputs {
    pub service: ServiceInputs,
    pub inputs: Inputs,
    /// In the order of the spec.
    pub instances: Vec<DeployedInstance>,
}

/// An instance as its pipeline sees it.
#[derive(Clone, Debug, Default)]
pub struct DeployedInstance {
    pub name: String,
    pub inputs: Inputs,
    pub outputs: Outputs,
    pub environment: Surroundings,
}

#[derive(Clone, Debug, Default)]
pub struct ComponentInputs {
    pub environment: Surroundings,
    pub name: String,
    /// The service, the instance's name and its inputs, where it is attached.
    pub attached: Option<(ServiceInputs, String, Inputs)>,
}

impl Target<'_> {
    /// As Terraform's files and folders call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Environment(_) => "environment",
            Self::Instance(_) => "service_instance",
            Self::Pipeline(_) => "pipeline",
            Self::Component(_) => "component",
        }
    }

    /// What Jinja sees.
    pub fn namespaces(&self) -> Map<String, Value> {
        let mut found = self.document();
        match self {
            Self::Environment(environment) => found["environment"]["account_id"] = json!(environment.account_id),
            Self::Instance(instance) => {
                // Templates of Proton's first days name the environment so.
                found["service_instance"]["environment"] = json!({
                    "name": instance.environment.name,
                    "account_id": instance.environment.account_id,
                    "outputs": instance.environment.outputs,
                });
                let default = found["service_instance"]["components"].get("default").cloned();
                let default = default.unwrap_or_else(|| json!({ "outputs": {} }));
                found["service_instance"]["components"] = json!({ "default": default });
            }
            Self::Pipeline(_) | Self::Component(_) => {}
        }
        found
    }

    /// What files of inputs hold.
    pub fn document(&self) -> Map<String, Value> {
        let entries = match self {
            Self::Environment(EnvironmentInputs { name, inputs, .. }) => {
                vec![("environment", json!({ "name": name, "inputs": inputs }))]
            }
            Self::Instance(instance) => {
                let components = instance.component.as_ref().map_or_else(
                    || json!({}),
                    |(name, outputs)| json!({ "default": { "name": name, "outputs": outputs } }),
                );
                vec![
                    ("environment", instance.environment.to_json()),
                    ("service", instance.service.to_json()),
                    (
                        "service_instance",
                        json!({
                            "name": instance.name, "inputs": instance.inputs, "components": components,
                        }),
                    ),
                ]
            }
            Self::Pipeline(pipeline) => {
                let instances = pipeline.instances.iter().map(|instance| {
                    json!({
                        "name": instance.name,
                        "inputs": instance.inputs,
                        "outputs": instance.outputs,
                        "environment": instance.environment.to_json(),
                    })
                });
                vec![
                    ("pipeline", json!({ "inputs": pipeline.inputs })),
                    ("service", pipeline.service.to_json()),
                    ("service_instances", instances.collect()),
                ]
            }
            Self::Component(component) => {
                let mut entries = vec![
                    ("environment", component.environment.to_json()),
                    ("component", json!({ "name": component.name })),
                ];
                if let Some((service, name, inputs)) = &component.attached {
                    entries.push(("service", service.to_json()));
                    entries.push(("service_instance", json!({ "name": name, "inputs": inputs })));
                }
                entries
            }
        };
        entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Surroundings {
    fn to_json(&self) -> Value {
        json!({ "account_id": self.account_id, "name": self.name, "outputs": self.outputs })
    }
}

impl ServiceInputs {
    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "repository_connection_arn": self.repository_connection_arn,
            "repository_id": self.repository_id,
            "branch_name": self.branch_name,
        })
    }
}
