//! The profile in use, as the AWS configuration files have it, and what fraudctl cannot do with it.

use crate::resource::chain;
use crate::state::for_shell;
use aws_config::profile::{self, Profile as Section, ProfileSet};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_runtime::env_config::property::PropertiesKey;
use aws_types::os_shim_internal::{Env, Fs};
use std::path::PathBuf;
use thiserror::Error;

/// The variables that name a profile. The AWS command line asks them in this order.
const NAMED_BY: [&str; 2] = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];
/// The profile when nobody names one.
const DEFAULT: &str = "default";

/// Why a profile cannot be used.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// One of the AWS configuration files is none.
    #[error("cannot use the AWS configuration: {0}; mend the file, or name another one with {1}")]
    File(String, String),
    /// No profile has this name.
    #[error("there is no profile {name:?}{by} in {files}; {there}")]
    Missing {
        /// The name.
        name: String,
        /// The variable that names it, if one does: ` (AWS_PROFILE)`.
        by: String,
        /// The files that were read.
        files: String,
        /// The nearest name, and the profiles that there are.
        there: String,
    },
    /// A profile gets its credentials from a profile that is not there.
    #[error(
        "the profile {of:?} gets its credentials from the profile {name:?} (source_profile), which is not there; {there}"
    )]
    NoSource {
        /// The profile that needs them.
        of: String,
        /// The profile that is not there.
        name: String,
        /// The nearest name, and the profiles that there are.
        there: String,
    },
    /// A role wants a code from a device.
    #[error(
        "the profile {asking:?} wants a code of an MFA device (mfa_serial), which fraudctl cannot ask for, but the AWS command \
         line can. Add a profile that takes its credentials from there, and use that one:\n  aws configure set \
         profile.{used}-mfa.credential_process \"aws configure export-credentials --profile {used}\"\nwith the same \
         region, where {used} has one. Or run `eval \"$(aws configure export-credentials --profile {used} --format env)\"`, and \
         name no profile to fraudctl"
    )]
    Mfa {
        /// The profile with the device.
        asking: String,
        /// The profile that is used, which is the same or gets its credentials there.
        used: String,
    },
}

/// The profile in use.
#[derive(Debug)]
pub(super) struct Profile {
    sections: ProfileSet,
    /// Does the profile give the credentials? Keys in the environment go before a profile that only a variable names.
    pub(super) gives_credentials: bool,
    named: bool,
}

impl Profile {
    /// Reads the files. `chosen` is a profile that the command line or the settings name; it gives the credentials,
    /// whatever keys are in the environment.
    pub(super) async fn load(chosen: Option<&str>, env: &Env) -> Result<Self, ProfileError> {
        let variable = NAMED_BY.iter().find_map(|name| Some((*name, set(env, name)?)));
        let (name, by) = match (chosen, variable) {
            (Some(name), _) => (Some(name.to_owned()), String::new()),
            (None, Some((variable, name))) => (Some(name), format!(" ({variable})")),
            (None, None) => (None, String::new()),
        };
        for (variable, file) in files(env) {
            if let Err(why) = std::fs::read(&file)
                && why.kind() != std::io::ErrorKind::NotFound
            {
                let why = format!("{}: {why}", file.display());
                return Err(ProfileError::File(why, variable.to_owned()));
            }
        }
        let selected = name.clone().unwrap_or_else(|| DEFAULT.to_owned());
        let sections = profile::load(&Fs::real(), env, &EnvConfigFiles::default(), Some(selected.into()))
            .await
            .map_err(|why| {
                let variables = files(env).map(|(variable, _)| variable).join(" or ");
                ProfileError::File(chain(&why), variables)
            })?;
        let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
        let keys = keys.iter().all(|key| set(env, key).is_some());
        let found = Self {
            gives_credentials: chosen.is_some() || !keys,
            named: name.is_some(),
            sections,
        };
        if let Some(name) = name
            && found.sections.get_profile(&name).is_none()
        {
            let there = found.there(&name);
            let files = files(env).map(|(_, file)| file.display().to_string()).join(" or ");
            return Err(ProfileError::Missing { name, by, files, there });
        }
        if found.gives_credentials {
            found.credentials_can_be_had()?;
        }
        Ok(found)
    }

    /// The name.
    pub(super) fn name(&self) -> &str {
        self.sections.selected_profile()
    }

    /// The name of a profile that somebody named and that gives the credentials.
    pub(super) fn source_of_credentials(&self) -> Option<&str> {
        (self.named && self.gives_credentials).then(|| self.name())
    }

    /// What the profile says of something.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.sections.get(key).map(str::trim).filter(|value| !value.is_empty())
    }

    /// What the profile's section of services says of one, and the section's name. `service` is spelled as in the files:
    /// `api_gateway`.
    pub(super) fn get_of_service(&self, service: &str, key: &str) -> Option<(&str, &str)> {
        let section = self.get("services")?;
        let key = PropertiesKey::builder()
            .section_key("services")
            .section_name(section)
            .property_name(service)
            .sub_property_name(key)
            .build()
            .ok()?;
        let value = self.sections.other_sections().get(&key)?;
        Some((value.trim(), section))
    }

    /// Are the credentials those of a role, for which STS is asked?
    pub(super) fn is_of_role(&self) -> bool {
        self.gives_credentials && self.line().iter().any(|section| section.get("role_arn").is_some())
    }

    /// The profile, and those that it gets its credentials from.
    fn line(&self) -> Vec<&Section> {
        let mut line: Vec<&Section> = Vec::new();
        let mut next = self.sections.get_profile(self.name());
        while let Some(section) = next {
            if line.iter().any(|before| before.name() == section.name()) {
                break;
            }
            line.push(section);
            next = source_of(section).and_then(|source| self.sections.get_profile(source));
        }
        line
    }

    fn credentials_can_be_had(&self) -> Result<(), ProfileError> {
        let line = self.line();
        for section in &line {
            if section.get("role_arn").is_some() && section.get("mfa_serial").is_some() {
                return Err(ProfileError::Mfa {
                    asking: section.name().to_owned(),
                    used: for_shell(self.name()),
                });
            }
        }
        let Some(last) = line.last() else { return Ok(()) };
        match source_of(last) {
            Some(name) if self.sections.get_profile(name).is_none() => Err(ProfileError::NoSource {
                of: last.name().to_owned(),
                name: name.to_owned(),
                there: self.there(name),
            }),
            _ => Ok(()),
        }
    }

    /// The nearest name, and the profiles that there are.
    fn there(&self, wanted: &str) -> String {
        let mut names: Vec<&str> = self.sections.profiles().collect();
        names.sort_unstable();
        if names.is_empty() {
            return "no profile is there at all".to_owned();
        }
        let near = |name: &&&str| strsim::damerau_levenshtein(&name.to_lowercase(), &wanted.to_lowercase()) <= 2;
        let distance = |name: &&&str| strsim::damerau_levenshtein(name, wanted);
        let nearest = names.iter().filter(near).min_by_key(distance);
        let meant = nearest
            .map(|name| format!("did you mean {name:?}? "))
            .unwrap_or_default();
        let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        format!("{meant}There are {}", names.join(", "))
    }
}

/// The profile that another one takes a role with.
fn source_of(section: &Section) -> Option<&str> {
    section.get("role_arn")?;
    let token = section.get("web_identity_token_file");
    section.get("source_profile").filter(|_| token.is_none())
}

/// A variable that is there and not empty. In continuous integration an unset variable often looks like an empty one.
pub(super) fn set(env: &Env, name: &str) -> Option<String> {
    let value = env.get(name).ok()?.trim().to_owned();
    (!value.is_empty()).then_some(value)
}

/// The two files, and the variables that name others.
fn files(env: &Env) -> [(&'static str, PathBuf); 2] {
    let file = |variable: &'static str, usual: &str| {
        let home = || PathBuf::from(env.get("HOME").unwrap_or_default());
        let file = match set(env, variable) {
            Some(named) => named
                .strip_prefix("~/")
                .map_or_else(|| PathBuf::from(&named), |rest| home().join(rest)),
            None => home().join(".aws").join(usual),
        };
        (variable, file)
    };
    [
        file("AWS_CONFIG_FILE", "config"),
        file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    ]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A profile of files with these contents, in an environment with these variables.
    pub async fn load(config: &str, chosen: Option<&str>, variables: &[(&str, &str)]) -> Result<Profile, ProfileError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        std::fs::write(&file, config).unwrap();
        let file = file.display().to_string();
        let mut all = vec![
            ("AWS_CONFIG_FILE", file.as_str()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ];
        all.extend(variables);
        Profile::load(chosen, &Env::from_slice(&all)).await
    }

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "1"), ("AWS_SECRET_ACCESS_KEY", "2")];
    const CONFIG: &str = "[default]\nregion = us-west-2\n[profile deploy]\nrole_arn = arn:aws:iam::1:role/r\n\
                          source_profile = base\nregion = eu-west-1\n[profile base]\naws_access_key_id = 3\n\
                          aws_secret_access_key = 4\n";

    #[tokio::test]
    async fn a_profile_that_is_named_on_the_command_line_goes_before_keys_and_one_of_a_variable_behind() {
        let of = |chosen, variables: Vec<(&'static str, &'static str)>| async move {
            let profile = load(CONFIG, chosen, &variables).await.unwrap();
            (profile.name().to_owned(), profile.gives_credentials)
        };
        let keys_and = |more: &[(&'static str, &'static str)]| [&KEYS[..], more].concat();
        assert_eq!(of(Some("deploy"), keys_and(&[])).await, ("deploy".to_owned(), true));
        let named = keys_and(&[("AWS_PROFILE", "deploy")]);
        assert_eq!(of(None, named.clone()).await, ("deploy".to_owned(), false));
        assert_eq!(of(Some("base"), named).await, ("base".to_owned(), true));
        assert_eq!(
            of(None, vec![("AWS_PROFILE", "deploy")]).await,
            ("deploy".to_owned(), true)
        );
        let both = vec![("AWS_PROFILE", "deploy"), ("AWS_DEFAULT_PROFILE", "base")];
        assert_eq!(of(None, both).await, ("base".to_owned(), true));
        assert_eq!(of(None, vec![("AWS_PROFILE", "")]).await, ("default".to_owned(), true));
        assert_eq!(of(None, keys_and(&[])).await, ("default".to_owned(), false));
    }

    #[tokio::test]
    async fn a_profile_that_is_not_there_is_told_with_the_nearest_name() {
        for (chosen, variables, by) in [
            (Some("Deploi"), &KEYS[..], "\"Deploi\" in "),
            (None, &[("AWS_PROFILE", "Deploi")], "\"Deploi\" (AWS_PROFILE) in "),
        ] {
            let said = load(CONFIG, chosen, variables).await.unwrap_err().to_string();
            let near = "did you mean \"deploy\"? There are \"base\", \"default\", \"deploy\"";
            assert!(
                said.contains(by) && said.contains(near) && said.contains("/config or "),
                "{said}"
            );
        }
        let said = load("", Some("x"), &[]).await.unwrap_err().to_string();
        assert!(said.ends_with("no profile is there at all"), "{said}");
        let lost = CONFIG.replace("[profile base]", "[profile bass]");
        let said = load(&lost, Some("deploy"), &[]).await.unwrap_err().to_string();
        assert!(
            said.contains("\"base\" (source_profile)") && said.contains("mean \"bass\"?"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_or_parsed_is_told() {
        let said = load("[default\nregion", None, &KEYS).await.unwrap_err().to_string();
        assert!(said.contains("/config") && said.contains("AWS_CONFIG_FILE"), "{said}");
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().display().to_string();
        let said = load("", None, &[("AWS_SHARED_CREDENTIALS_FILE", &folder)]).await;
        let said = said.unwrap_err().to_string();
        assert!(
            said.contains(&folder) && said.ends_with("AWS_SHARED_CREDENTIALS_FILE"),
            "{said}"
        );
        load("", None, &[("AWS_CONFIG_FILE", "/nowhere")]).await.unwrap();
    }

    #[tokio::test]
    async fn a_device_is_told_wherever_in_the_line_it_is_asked_for() {
        let asked = CONFIG.replace("source_profile", "mfa_serial = arn:aws:iam::1:mfa/me\nsource_profile");
        let above = format!("{asked}[profile top]\nrole_arn = arn:aws:iam::1:role/t\nsource_profile = deploy\n");
        for used in ["deploy", "top"] {
            let said = load(&above, Some(used), &[]).await.unwrap_err().to_string();
            for part in [
                "the profile \"deploy\" wants a code",
                &format!("profile.{used}-mfa.credential_process"),
                &format!("export-credentials --profile {used}"),
            ] {
                assert!(said.contains(part), "{said}");
            }
        }
        // Nothing is asked for where keys are used, or no role is taken.
        load(&above, None, &[&KEYS[..], &[("AWS_PROFILE", "deploy")]].concat())
            .await
            .unwrap();
        load("[default]\nmfa_serial = x\n", None, &[]).await.unwrap();
        // A line that closes on itself is told by who asks for the credentials.
        load("[profile a]\nrole_arn = r\nsource_profile = a\n", Some("a"), &[])
            .await
            .unwrap();
    }
}
