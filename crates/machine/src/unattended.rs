//! The policy of unattended runs: `policy.json` in the initramfs, from the table `[unattended]` of lifeboat.toml on the machine
//! that made the medium. Kernel parameters, which a person types, win over it.

use crate::parameters::{After, Parameters, Warnings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an unattended recovery may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UnattendedPolicy {
    /// Disks that may be wiped though they hold foreign data, as `lifeboat.wipe=` names them.
    pub wipe: Vec<String>,
    /// Recorded devices and the disks that take their places, as in `lifeboat.map=`.
    pub map: BTreeMap<String, String>,
    /// False: keep all sizes, as `lifeboat.resize=no`.
    pub resize: bool,
    /// What follows when the plan has notes, as `lifeboat.warnings=`.
    pub warnings: Option<Warnings>,
    /// What follows the recovery, as `lifeboat.after=`.
    pub after: Option<After>,
}

impl Default for UnattendedPolicy {
    fn default() -> Self {
        UnattendedPolicy { wipe: vec![], map: BTreeMap::new(), resize: true, warnings: None, after: None }
    }
}

impl UnattendedPolicy {
    /// Puts what the policy says where the parameters say nothing.
    pub fn apply(self, parameters: &mut Parameters) {
        if parameters.wipe.is_empty() {
            parameters.wipe = self.wipe;
        }
        if parameters.map.is_empty() {
            parameters.map = self.map.into_iter().collect();
        }
        parameters.resize = parameters.resize.or(Some(self.resize));
        parameters.warnings = parameters.warnings.or(self.warnings);
        parameters.after = parameters.after.or(self.after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_win() {
        let policy: UnattendedPolicy = serde_json::from_str(
            r#"{"wipe": ["SER1"], "map": {"disk0": "SER2"}, "resize": false, "warnings": "stop", "after": "poweroff"}"#,
        )
        .unwrap();
        let mut alone = Parameters::parse("nuke");
        policy.clone().apply(&mut alone);
        let expected = "nuke lifeboat.wipe=SER1 lifeboat.map=disk0:SER2 lifeboat.resize=no lifeboat.warnings=stop \
                        lifeboat.after=poweroff";
        assert_eq!(alone, Parameters::parse(expected));
        let line = "lifeboat.wipe=SER9 lifeboat.map=disk1:SER8 lifeboat.resize=yes lifeboat.warnings=go-on \
                    lifeboat.after=shell";
        let mut typed = Parameters::parse(line);
        policy.apply(&mut typed);
        assert_eq!(typed, Parameters::parse(line));
        assert!(serde_json::from_str::<UnattendedPolicy>(r#"{"wpie": []}"#).is_err());
    }
}
