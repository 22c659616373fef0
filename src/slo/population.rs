//! Whose samples an objective judges.

use crate::fault::rule::glob;
use serde::Deserialize;

/// Which plays are samples. `*` stands for any run of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table: { profile = ... }")]
pub struct Population {
    /// The app; `None`: the one that is asked about.
    pub app: Option<String>,
    /// Where it runs; `None`: where it is asked about.
    pub environment: Option<String>,
    /// The app's version; `None`: any.
    pub version: Option<String>,
    /// The network profile; `None`: any that plans no fault. A play under planned faults is never a sample.
    pub profile: Option<String>,
    /// The class of the WebGL renderer: `llvmpipe`, `swiftshader` or `gpu`; `None`: any.
    pub renderer: Option<String>,
}

impl Population {
    /// What a sample must have, by key: only what is demanded is named.
    pub fn wants<'a>(&'a self, app: &'a str, environment: &'a str) -> Vec<(&'static str, &'a str)> {
        let asked = |own: &'a Option<String>, usual| own.as_deref().or(usual);
        let all = [
            ("app", asked(&self.app, Some(app))),
            ("environment", asked(&self.environment, Some(environment))),
            ("version", asked(&self.version, None)),
            ("profile", asked(&self.profile, None)),
            ("renderer", asked(&self.renderer, None)),
        ];
        all.into_iter().filter_map(|(key, wanted)| Some((key, wanted?))).collect()
    }

    /// Whether a play is one: `has` tells what it has under each key.
    pub fn takes<'a>(&self, app: &str, environment: &str, has: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.wants(app, environment).iter().all(|(key, wanted)| has(key).is_some_and(|own| glob(wanted, own)))
    }

    /// Whether a play would be one, had it another profile or no planned faults.
    pub fn takes_but_its_profile<'a>(
        &self,
        app: &str,
        environment: &str,
        has: impl Fn(&str) -> Option<&'a str>,
    ) -> bool {
        Self { profile: None, ..self.clone() }.takes(app, environment, has)
    }

    pub(super) fn words(&self) -> String {
        let mut words = match &self.profile {
            Some(profile) => format!("under the profile {profile}"),
            None => "under a profile that plans no fault".to_owned(),
        };
        for (key, own) in [
            ("app", &self.app),
            ("environment", &self.environment),
            ("version", &self.version),
            ("renderer", &self.renderer),
        ] {
            if let Some(own) = own {
                words += &format!(", {key} {own}");
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_population_is_any_profile_of_the_app_asked_about_unless_it_says_otherwise() {
        let play = |app: &'static str, profile: &'static str| {
            move |key: &str| match key {
                "app" => Some(app),
                "environment" => Some("staging"),
                "profile" => Some(profile),
                _ => None,
            }
        };
        let usual = Population::default();
        assert!(usual.takes("stage", "staging", play("stage", "clean")));
        assert!(!usual.takes("stage", "staging", play("other", "clean")));
        assert!(usual.takes("stage", "staging", play("stage", "office")));
        assert!(!usual.takes("stage", "production", play("stage", "clean")));
        let clean = Population { profile: Some("clean*".to_owned()), ..usual.clone() };
        assert!(clean.takes("stage", "staging", play("stage", "clean-2")));
        assert!(!clean.takes("stage", "staging", play("stage", "office")));
        assert!(clean.takes_but_its_profile("stage", "staging", play("stage", "office")));
        assert!(!clean.takes_but_its_profile("stage", "staging", play("other", "office")));
        let wider = Population { version: Some("2.*".to_owned()), ..usual };
        assert!(!wider.takes("stage", "staging", play("stage", "bad-wifi")), "its version is not known");
        let versioned = |key: &str| if key == "version" { Some("2.1") } else { play("stage", "bad-wifi")(key) };
        assert!(wider.takes("stage", "staging", versioned));
    }
}
