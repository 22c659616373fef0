//! Who tells: the resource of everything that leaves.

use super::names;
use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_semantic_conventions::attribute as known;

/// What a run says of itself.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The run.
    pub run_id: String,
    /// The plan's name.
    pub plan: String,
    /// The app's.
    pub app: String,
    /// Where the app runs: `staging`, `production`.
    pub environment: String,
    /// The pipeline's run, where there is one.
    pub ci: Option<String>,
}

/// The resource. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` have the last word.
pub(super) fn resource(about: &About) -> Resource {
    let asked = Resource::builder().build();
    let own = [
        KeyValue::new(known::SERVICE_VERSION, env!("CARGO_PKG_VERSION")),
        KeyValue::new(known::OS_TYPE, std::env::consts::OS),
        KeyValue::new(known::TEST_SUITE_NAME, about.plan.clone()),
        KeyValue::new(known::DEPLOYMENT_ENVIRONMENT_NAME, about.environment.clone()),
        KeyValue::new(names::RUN, about.run_id.clone()),
        KeyValue::new(names::APP, about.app.clone()),
    ];
    let ci = about.ci.clone().map(|run| KeyValue::new(known::CICD_PIPELINE_RUN_ID, run));
    let named = service(&asked);
    Resource::builder()
        .with_attributes(own.into_iter().chain(ci).filter(|own| asked.get_ref(&own.key).is_none()))
        .with_service_name(named)
        .build()
}

/// The service's name: what the environment says, and ours where it says nothing.
fn service(asked: &Resource) -> Value {
    let said = asked.get(&Key::from_static_str(known::SERVICE_NAME));
    said.filter(|name| !name.as_str().starts_with("unknown_service")).unwrap_or_else(|| "soundcheck".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_names_the_run_and_what_it_is_about() {
        let about = About {
            run_id: "r1".into(),
            plan: "smoke".into(),
            app: "stage".into(),
            environment: "staging".into(),
            ci: Some("77".into()),
        };
        let resource = resource(&about);
        for (name, value) in [
            ("service.name", "soundcheck"),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("synthetic.run.id", "r1"),
            ("test.suite.name", "smoke"),
            ("deployment.environment.name", "staging"),
            ("cicd.pipeline.run.id", "77"),
            ("telemetry.sdk.language", "rust"),
        ] {
            assert_eq!(resource.get(&Key::new(name)), Some(value.into()), "{name}");
        }
    }
}
