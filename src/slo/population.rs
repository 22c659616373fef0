//! Whose samples an objective judges.

use crate::fault::rule::glob;
use serde::Deserialize;

/// Which plays are samples. `*` stands for any run of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// The app; `None`: the one that is asked about.
    pub app: Option<String>,
    /// Where it runs; `None`: where it is asked about.
    pub environment: Option<String>,
    /// The app's version; `None`: any.
    pub version: Option<String>,
    /// The network profile; `None`: `clean`.
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
            ("profile", asked(&self.profile, Some("clean"))),
            ("renderer", asked(&self.renderer, None)),
        ];
        all.into_iter().filter_map(|(key, wanted)| Some((key, wanted?))).collect()
    }

    /// Whether a play is one: `has` tells what it has under each key.
    pub fn takes<'a>(&self, app: &str, environment: &str, has: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.wants(app, environment).iter().all(|(key, wanted)| has(key).is_some_and(|own| glob(wanted, own)))
    }

    pub(super) fn words(&self) -> String {
        let mut words = format!("under the profile {}", self.profile.as_deref().unwrap_or("clean"));
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
    fn a_population_is_the_clean_profile_of_the_app_asked_about_unless_it_says_otherwise() {
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
        assert!(!usual.takes("stage", "staging", play("stage", "bad-wifi")));
        assert!(!usual.takes("stage", "production", play("stage", "clean")));
        let wider = Population { profile: Some("*".to_owned()), version: Some("2.*".to_owned()), ..usual };
        assert!(!wider.takes("stage", "staging", play("stage", "bad-wifi")), "its version is not known");
        let versioned = |key: &str| if key == "version" { Some("2.1") } else { play("stage", "bad-wifi")(key) };
        assert!(wider.takes("stage", "staging", versioned));
    }
}
